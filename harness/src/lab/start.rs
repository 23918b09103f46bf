//! Standing up a lab.

use std::path::PathBuf;
use std::sync::{Arc, Once};

use super::{Lab, tell_progress};
use crate::azure::Azure;
use crate::expect::Witness;
use crate::history::{Event, History};
use crate::report::ProgressWriter;
use crate::settings::Settings;
use crate::target::{self, AzureAccess, StartError, Surroundings, Target};
use child_clock::own_thread;
use parking_lot::Mutex;

impl Lab {
    /// Stands up a lab on the target that the settings name: what it needs, and its Azure. Clusters come later, through
    /// [`Lab::managed_cluster`].
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    pub async fn start(settings: Settings, progress: ProgressWriter) -> Result<Self, StartError> {
        let target = target::named(settings.target.as_deref());
        let target = target.map_err(|error| StartError::Settings(error.to_string()))?;
        Self::start_on(target, settings, progress).await
    }

    /// The same on this target, whatever the settings say.
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    pub async fn start_on(
        target: &'static dyn Target,
        settings: Settings,
        progress: ProgressWriter,
    ) -> Result<Self, StartError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Whoever installed one before has chosen.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });

        let entered = target.enter(&settings, &progress).await?;
        let folder = folder(&settings)?;
        let clock = entered.clock();
        let history = History::new(clock.clone(), Some(&folder.join("history.jsonl")))
            .map_err(|source| StartError::io(&format!("write the history in {}", folder.display()), source))?;
        history.record(Event::Step { text: format!("{} with seed {}", settings.scenario, settings.seed) });
        let threads: Arc<Mutex<Vec<i32>>> = Arc::default();
        let started = threads.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .on_thread_start(move || {
                started.lock().push(own_thread());
            })
            .enable_all()
            .build()
            .map_err(|source| StartError::io("start the lab's threads", source))?;
        // A runner says it itself, with the options that it was given.
        let epilogue = if progress.is_read() {
            String::new()
        } else {
            format!("artefacts: {}\n    again: {}\n", folder.display(), settings.again())
        };
        let witness = Witness::new(history.clone(), epilogue, settings.patience);
        let surroundings = Surroundings {
            settings: settings.clone(),
            folder: folder.clone(),
            history: history.clone(),
            witness: witness.clone(),
            threads,
        };
        let site = runtime.spawn(entered.stand_up(surroundings)).await;
        let site = site.map_err(|error| StartError::Threads(error.to_string()))??;
        runtime.spawn(tell_progress(history.clone(), witness.clone(), progress.clone()));

        progress.fact("target", target.name());
        progress.fact("clock", if clock.is_movable() { "movable" } else { "real" });
        progress.fact("begin", &clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        progress.fact("kubernetes", &settings.versions.kubernetes);
        progress.fact("karpenter-azure", &settings.provisioner_name());
        progress.attachment(&folder.join("history.jsonl"));
        let azure = azure(site.azure(), &history)?;
        Ok(Self {
            settings,
            folder,
            history,
            witness,
            azure,
            target,
            watches: Mutex::default(),
            progress,
            shown_fault: Mutex::default(),
            keep_folder: false,
            runtime: Some(runtime),
            site,
        })
    }
}

/// The scenario's own Azure: the client of someone who owns the subscription.
fn azure(access: &AzureAccess, history: &History) -> Result<Azure, StartError> {
    let AzureAccess { subscription, location, names, .. } = access;
    let client = access.client(history.clock())?;
    let azure = Azure::new(client, history.clone(), subscription, location, &names.resource_group);
    Ok(azure.with_group_prefix(&names.prefix))
}

/// Where the lab writes logs and history: the artefacts of the scenario, or a new folder.
fn folder(settings: &Settings) -> Result<PathBuf, StartError> {
    let path = match &settings.artefacts {
        Some(path) => path.clone(),
        None => {
            let name = format!(
                "{}-{}-{:06x}",
                settings.scenario.replace("::", "."),
                settings.seed,
                rand::random::<u32>() >> 8
            );
            target_folder()
                .map_or_else(std::env::temp_dir, |target| target.join("catnap").join("cargo-test"))
                .join(name)
        }
    };
    std::fs::create_dir_all(&path)
        .map_err(|source| StartError::io(&format!("make the folder {}", path.display()), source))?;
    Ok(path)
}

/// cargo's target folder, where this is a program that cargo built: cargo marks it with a `CACHEDIR.TAG`.
fn target_folder() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(PathBuf::from)
}
