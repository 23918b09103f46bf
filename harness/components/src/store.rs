//! The store: everything about where components are, behind one value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use super::cache::{Cache, Cleaned, Held, Part};
use super::entry::{Entry, Look};
use super::given::CRDS_VARIABLE;
use super::go::{Go, NoGo};
use super::obtain::obtain;
use super::pin::Pin;
use super::versions::numeric;
use super::{Component, ComponentError, Machine, Program, Progress, Stage, StoreOptions, Versions};

/// Knows where components are and fetches those that are nowhere.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) options: StoreOptions,
    pub(super) cache: Cache,
}

/// Where a program came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The user gave its path.
    Given,
    /// An earlier build.
    Cache,
    /// It was built just now.
    Built,
}

/// The programs of one lab, ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The provisioner.
    pub karpenter: PathBuf,
    /// The API server.
    pub kube_apiserver: PathBuf,
    /// The controllers of Kubernetes.
    pub kube_controller_manager: PathBuf,
    /// The scheduler.
    pub kube_scheduler: PathBuf,
    /// The user's command; missing only where all of Kubernetes was given and no `kubectl` is on PATH.
    pub kubectl: Option<PathBuf>,
    /// The store of the control plane.
    pub etcd: PathBuf,
    /// Plays kubelets.
    pub kwok: PathBuf,
    /// A folder with the CRDs (`*.yaml`) of that version of the provisioner.
    pub crds: PathBuf,
    /// What was asked for. A program that was given may be of another version.
    pub versions: Versions,
    /// Where each program came from.
    pub sources: BTreeMap<Program, Source>,
}

/// Which builds a clean-up is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Those that this catnap would not use: from other pins, or for another system.
    Outdated,
    /// Every version of a component.
    Component(Component),
    /// One version of a component.
    Version(Component, String),
    /// Everything.
    All,
}

impl Selection {
    pub(super) fn covers(&self, held: &Held) -> bool {
        match self {
            Self::Outdated => !held.current,
            Self::Component(component) => held.component == *component,
            Self::Version(component, version) => held.component == *component && held.version == *version,
            Self::All => true,
        }
    }
}

/// A part of a version of a component.
pub(super) type Want = (Pin, Part);

/// What a lab needs.
struct Needs {
    /// Programs whose paths the user gave.
    found: BTreeMap<Program, (PathBuf, Source)>,
    /// The folder of CRDs, where the user gave one.
    crds: Option<PathBuf>,
    /// The rest, to be taken from the cache or built.
    wants: Vec<Want>,
}

impl Store {
    /// A store over a cache folder. Nothing is written yet.
    ///
    /// # Errors
    /// When no cache folder is given and the user has no home folder.
    pub fn open(options: StoreOptions) -> Result<Self, ComponentError> {
        Ok(Self { cache: Cache::locate(options.cache.as_deref())?, options })
    }

    /// The cache folder.
    #[must_use]
    pub fn cache_folder(&self) -> &Path {
        &self.cache.root
    }

    /// Finds every program of a lab, building what is neither given nor in the cache.
    ///
    /// # Errors
    /// When a path that was given cannot be used, a version is not pinned, a cached file is damaged, or a build fails.
    pub async fn resolve(
        &self,
        versions: &Versions,
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Binaries, ComponentError> {
        let Needs { mut found, mut crds, wants } = self.needs(versions)?;
        for ((pin, part), entry, source) in self.obtain_all(wants, &progress).await? {
            if pin.component == Component::KarpenterAzure && crds.is_none() {
                crds = Some(entry.path("crds"));
            }
            if part == Part::Everything {
                for program in pin.component.programs() {
                    found.entry(*program).or_insert_with(|| (entry.path(program.name()), source));
                }
            }
        }
        if let (None, Ok(path)) = (found.get(&Program::Kubectl), which::which("kubectl")) {
            found.insert(Program::Kubectl, (path, Source::Given));
        }
        // Every needed program is there by now: given, or its component was obtained as a whole.
        let path = |program| found.get(&program).map(|(path, _)| path.clone()).unwrap_or_default();
        Ok(Binaries {
            karpenter: path(Program::Karpenter),
            kube_apiserver: path(Program::KubeApiserver),
            kube_controller_manager: path(Program::KubeControllerManager),
            kube_scheduler: path(Program::KubeScheduler),
            kubectl: found.get(&Program::Kubectl).map(|(path, _)| path.clone()),
            etcd: path(Program::Etcd),
            kwok: path(Program::Kwok),
            crds: crds.unwrap_or_default(),
            versions: versions.clone(),
            sources: found.iter().map(|(program, (_, source))| (*program, *source)).collect(),
        })
    }

    /// The same where nothing has to be built for it; `None` where something would have to be.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub async fn resolve_at_hand(&self, versions: &Versions) -> Result<Option<Binaries>, ComponentError> {
        for (pin, part) in self.needs(versions)?.wants {
            if self.cache.find(&pin, part)?.is_none() {
                return Ok(None);
            }
        }
        self.resolve(versions, |_| {}).await.map(Some)
    }

    /// What is given for a lab of these versions, and what is not.
    fn needs(&self, versions: &Versions) -> Result<Needs, ComponentError> {
        let mut found = BTreeMap::new();
        for program in Program::ALL {
            if let Some(path) = self.options.given(program)? {
                found.insert(program, (path, Source::Given));
            }
        }
        let crds = self.options.given_crds()?;
        let mut wants = Vec::new();
        for component in Component::ALL {
            let missing = |program: &Program| program.needed() && !found.contains_key(program);
            let programs = component.programs().iter().any(missing);
            let only_crds = component == Component::KarpenterAzure && crds.is_none();
            if programs || only_crds {
                let pin = Pin::find(component, versions.of(component))?;
                let whole = programs || self.cache.find(&pin, Part::Everything)?.is_some();
                wants.push((pin, if whole { Part::Everything } else { Part::Crds }));
            }
        }
        Ok(Needs { found, crds, wants })
    }

    /// Puts versions of components into the cache, whatever paths are given. Tells where each came from.
    ///
    /// # Errors
    /// When a version is not pinned, a cached file is damaged, or a build fails.
    pub async fn fetch(
        &self,
        wanted: &[(Component, String)],
        progress: impl Fn(Progress) + Send + Sync,
    ) -> Result<Vec<(Component, String, Source)>, ComponentError> {
        let mut wants: Vec<Want> = Vec::new();
        for (component, version) in wanted {
            let want = (Pin::find(*component, version)?, Part::Everything);
            if !wants.contains(&want) {
                wants.push(want);
            }
        }
        let obtained = self.obtain_all(wants, &progress).await?;
        Ok(obtained.into_iter().map(|((pin, _), _, source)| (pin.component, pin.version.to_owned(), source)).collect())
    }

    /// Every version that can be fetched, by component, the newest first.
    #[must_use]
    pub fn pinned() -> Vec<(Component, String)> {
        Component::ALL.into_iter().flat_map(Pin::all).map(|pin| (pin.component, pin.version.to_owned())).collect()
    }

    /// Every build in the cache.
    #[must_use]
    pub fn list(&self) -> Vec<Held> {
        self.cache.held()
    }

    /// Removes builds from the cache, and what interrupted ones left behind.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub fn clean(&self, selection: &Selection) -> Result<Cleaned, ComponentError> {
        self.cache.clean(selection)
    }

    async fn obtain_all(
        &self,
        wants: Vec<Want>,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Vec<(Want, Entry, Source)>, ComponentError> {
        let begun = Instant::now();
        let report = |pin: &Pin, stage: Stage| {
            progress(Progress {
                component: pin.component,
                version: pin.version.to_owned(),
                elapsed: begun.elapsed(),
                stage,
            });
        };
        let mut obtained = Vec::new();
        let mut missing = Vec::new();
        for (pin, part) in wants {
            match self.cache.find(&pin, part)? {
                Some(entry) => {
                    entry.verify(Look::Quick)?;
                    report(&pin, Stage::Done { source: Source::Cache });
                    obtained.push(((pin, part), entry, Source::Cache));
                }
                None => missing.push((pin, part)),
            }
        }
        if missing.is_empty() {
            return Ok(obtained);
        }
        let go = self.go_for(&missing).await?;
        // All at once: one that cannot be written is found out before anything is begun.
        for (pin, _) in &missing {
            self.cache.prepare(pin)?;
        }
        let share = Machine::look().share(missing.len());
        let places = Semaphore::new(share.builds);
        let report = &report;
        // The first failure stops the other builds, and the error is told once they have cleaned up.
        let (stop, stopped) = watch::channel(false);
        let builds = missing.into_iter().map(|(pin, part)| {
            let (go, places, stop, mut stopped) = (&go, &places, &stop, stopped.clone());
            async move {
                // Nobody closes the semaphore; without a permit the build would merely be one more at a time.
                let _place = match places.try_acquire() {
                    Ok(place) => Ok(place),
                    Err(_) => {
                        report(&pin, Stage::Queued);
                        places.acquire().await
                    }
                };
                if *stopped.borrow() {
                    return Ok(None);
                }
                let stage = |stage| report(&pin, stage);
                let made = obtain(&self.cache, go, &pin, part, share.packages, &stage, &mut stopped).await;
                match &made {
                    Ok(Some((_, source))) => report(&pin, Stage::Done { source: *source }),
                    Ok(None) => {}
                    Err(_) => drop(stop.send(true)),
                }
                made.map(|made| made.map(|(entry, source)| ((pin, part), entry, source)))
            }
        });
        for made in join_all(builds).await {
            obtained.extend(made?);
        }
        Ok(obtained)
    }

    /// The Go toolchain, if it builds all of these.
    pub(super) async fn go_for(&self, wants: &[Want]) -> Result<Go, ComponentError> {
        let needed = wants.iter().map(|(pin, _)| pin.minimum_go()).max_by_key(|version| numeric(version));
        let needed = needed.unwrap_or_default().to_owned();
        let title = |(pin, part): &Want| match part {
            Part::Everything => pin.title(),
            Part::Crds => format!("the CRDs of {}", pin.title()),
        };
        let wanted = wants.iter().map(title).collect::<Vec<_>>().join(", ");
        let go = match Go::find(&self.options).await {
            Ok(go) => go,
            Err(NoGo::Missing) => {
                let variables = |(pin, part): &Want| match part {
                    Part::Everything => {
                        let needed = pin.component.programs().iter().filter(|program| program.needed());
                        needed.map(|program| program.variable()).collect::<Vec<_>>().join(", ")
                    }
                    Part::Crds => CRDS_VARIABLE.to_owned(),
                };
                let paths = wants.iter().map(variables).collect::<Vec<_>>().join(", ");
                return Err(ComponentError::GoMissing { wanted, needed, paths, cache: self.cache.root.clone() });
            }
            Err(NoGo::Broken { path, problem }) => return Err(ComponentError::GoBroken { go: path, problem }),
        };
        match go.suffices(&needed) {
            Ok(()) => Ok(go),
            Err(detail) => Err(ComponentError::GoTooOld { wanted, found: go.title(), needed, detail }),
        }
    }
}
