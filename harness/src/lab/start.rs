//! Standing up a lab.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once, PoisonError};

use fake_arm::FakeArm;
use fake_arm::directory::{Principal, PrincipalKind};
use uuid::Uuid;

use super::engine::{AzureAccess, EmbeddedEngine, Programs, ProvisionerKnobs};
use super::household::Family;
use super::slot::Slot;
use super::{Lab, Region, Settings, Tenant, lender, tell_progress};
use crate::azure::{ArmClient, Azure};
use crate::expect::Witness;
use crate::history::{Event, History};
use crate::process::{NamespaceError, ProcessError, Processes, own_thread, probe_namespaces};
use crate::report::ProgressWriter;
use components::{ComponentError, FetchDisplay, Store, StoreOptions};

/// Region of a scenario's resources, that of the documents.
const LOCATION: &str = "eastus";

/// Resource group of a scenario's resources, that of the documents.
const RESOURCE_GROUP: &str = "my-aks-rg";

/// Why no lab could be stood up: a reason why scenarios cannot be run, not one why they fail.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error("{0}")]
    Settings(String),
    /// A real part is missing.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The provisioner cannot be given its service account.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The lab's folder or its guardian could not be had.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A folder, file or thread could not be had.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Whoever lends API servers does not.
    #[error("no API server can be lent: {0}; --fresh-clusters (CATNAP_FRESH_CLUSTERS=1) does without")]
    Lender(String),
    /// fake-arm did not start.
    #[error("fake-arm does not start: {0}")]
    FakeArm(String),
}

impl StartError {
    /// The error and its causes in one text.
    #[must_use]
    pub fn explain(&self) -> String {
        crate::causes::told(self)
    }
}

impl Lab {
    /// Stands up a lab: finds (or builds) the real parts, waits for a place on the machine, starts fake-arm. Clusters
    /// come later, through [`Lab::managed_cluster`].
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    pub async fn start(settings: Settings, progress: ProgressWriter) -> Result<Self, StartError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Whoever installed one before has chosen.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });

        progress.step("find the real parts");
        let display = FetchDisplay::new();
        let mut options = StoreOptions::from_environment();
        if let Some(path) = &settings.provisioner {
            options = options.provisioner(path);
        }
        let store = Store::open(options)?;
        let binaries = store.resolve(&settings.versions, |progress| display.report(progress)).await?;
        probe_namespaces()?;
        let waiting = || {
            progress.step("wait for a place on this machine");
            if !progress.is_read() {
                eprintln!("waiting: this machine has as many labs as it may ({}, see CATNAP_LABS)", settings.slots);
            }
        };
        let slot = Slot::take(settings.slots, waiting).await;
        let slot = slot.map_err(|source| io("take a place on this machine", source))?;
        progress.step("start fake-arm");

        let folder = folder(&settings)?;
        let (clock, lender) = lender::enter(&settings).await?;
        let history = History::new(clock.clone(), Some(&folder.join("history.jsonl")))
            .map_err(|source| io(&format!("write the history in {}", folder.display()), source))?;
        history.record(Event::Step { text: format!("{} with seed {}", settings.scenario, settings.seed) });
        let threads: Arc<Mutex<Vec<i32>>> = Arc::default();
        let started = threads.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("lab")
            .on_thread_start(move || {
                started.lock().unwrap_or_else(PoisonError::into_inner).push(own_thread());
            })
            .enable_all()
            .build()
            .map_err(|source| io("start the lab's threads", source))?;

        let seed = settings.seed;
        let time = Arc::new(clock.clone());
        let fake = runtime
            .spawn(async move { FakeArm::builder().clock(time).seed(seed).start().await })
            .await
            .map_err(|error| StartError::FakeArm(error.to_string()))?
            .map_err(|error| StartError::FakeArm(error.to_string()))?;
        // A runner says it itself, with the options that it was given.
        let epilogue = if progress.is_read() {
            String::new()
        } else {
            format!("artefacts: {}\n    again: {}\n", folder.display(), settings.again())
        };
        let witness = Witness::new(history.clone(), epilogue);
        let knobs = ProvisionerKnobs::default();
        let guard = runtime.enter();
        let processes = Processes::new(folder.join("logs"), history.clone())?;
        let family = processes.clone();
        let ca = processes.scratch().join("azure-ca.pem");
        std::fs::write(&ca, fake.ca_pem()).map_err(|source| io(&format!("write {}", ca.display()), source))?;
        let fake = Arc::new(fake);
        let secrets = fake.clone();
        let access = AzureAccess {
            endpoint: fake.endpoint().clone(),
            identity_endpoint: fake.identity_endpoint().clone(),
            ca,
            identity_header: Box::new(move |principal| secrets.identity_header_for(principal)),
        };
        let engine = Arc::new(EmbeddedEngine::new(
            access,
            processes,
            Programs { binaries, store },
            history.clone(),
            witness.clone(),
            knobs.clone(),
            lender,
            seed_of(&settings),
        ));
        let family = Family { processes: family, threads, history: history.clone() };
        clock.keep_moving(Box::new(family)).map_err(|source| io("start the thread that moves the clock", source))?;
        engine.follow(&fake);
        fake.set_engine(engine.clone());
        tokio::spawn(tell_progress(history.clone(), witness.clone(), progress.clone()));
        drop(guard);

        progress.fact("target", "embedded");
        progress.fact("clock", if clock.is_movable() { "movable" } else { "real" });
        progress.fact("begin", &clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        progress.fact("kubernetes", &settings.versions.kubernetes);
        progress.fact("karpenter-azure", &settings.provisioner_name());
        progress.attachment(&folder.join("history.jsonl"));
        let azure = azure(&fake, &history, settings.seed)?;
        let region = Region::new(fake.clone(), history.clone(), LOCATION);
        let tenant = Tenant::new(fake.clone(), history.clone());
        Ok(Self {
            settings,
            folder,
            history,
            witness,
            azure,
            knobs,
            region,
            tenant,
            engine,
            watches: Mutex::default(),
            progress,
            shown_fault: Mutex::default(),
            keep_folder: false,
            fake: Some(fake),
            runtime: Some(runtime),
            _slot: slot,
        })
    }
}

/// The scenario's own Azure: the client of a user who owns the subscription.
fn azure(fake: &Arc<FakeArm>, history: &History, seed: u64) -> Result<Azure, StartError> {
    let user = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("scenario {seed}").as_bytes());
    fake.add_owner(Principal {
        object_id: user,
        client_id: Uuid::new_v5(&user, b"client"),
        kind: PrincipalKind::User,
        display_name: "the scenario".into(),
    });
    let issuer = fake.clone();
    let tokens = move || issuer.token_for(user);
    let client =
        ArmClient::new(fake.endpoint().clone(), Some(fake.ca_pem()), Arc::new(tokens), history.clock().clone())
            .map_err(|error| StartError::FakeArm(format!("no client for it: {error}")))?;
    Ok(Azure::new(client, history.clone(), &fake.subscription_id().to_string(), LOCATION, RESOURCE_GROUP))
}

/// What the secrets of a lab are drawn from: its own, so that what one scenario was let in with is nothing to another one
/// in the same cluster.
fn seed_of(settings: &Settings) -> u64 {
    let scenario = Uuid::new_v5(&Uuid::NAMESPACE_OID, settings.scenario.as_bytes());
    settings.seed ^ scenario.as_u64_pair().0
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
    std::fs::create_dir_all(&path).map_err(|source| io(&format!("make the folder {}", path.display()), source))?;
    Ok(path)
}

/// cargo's target folder, where this is a program that cargo built: cargo marks it with a `CACHEDIR.TAG`.
fn target_folder() -> Option<PathBuf> {
    let executable = std::env::current_exe().ok()?;
    executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(PathBuf::from)
}

pub(super) fn io(what: &str, source: std::io::Error) -> StartError {
    StartError::Io { what: what.to_owned(), source }
}
