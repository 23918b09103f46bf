//! The cache folder: where builds are kept, made and removed.
//!
//! ```text
//! components/<name>/<version>/<key>/   a complete build; never changed after it appeared
//! locks/                               one file for each build, locked while it is made
//! scratch/                             builds in the making; what nobody has locked is left over and removed
//! logs/                                what Go said in the last build of each component
//! ```

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use etcetera::BaseStrategy;
use jiff::Timestamp;
use serde::Serialize;

use super::entry::{Entry, files};
use super::lock::Lock;
use super::pin::{Pin, Platform};
use super::{Component, ComponentError, Selection};

/// What of a component is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Its programs, and with the provisioner its CRDs.
    Everything,
    /// The CRDs alone, for a provisioner that is given as a path.
    Crds,
}

/// A complete build in the cache, as `catnap components list` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The component.
    pub component: Component,
    /// Its version.
    pub version: String,
    /// This catnap would use it; otherwise it was made from other pins or for another system.
    pub current: bool,
    /// It holds the provisioner's CRDs and not the program.
    pub crds_only: bool,
    /// Bytes on disk.
    pub size: u64,
    /// The toolchain it was built with, empty where the manifest cannot be read.
    pub made_by: String,
    /// Wall time of the build.
    pub made_at: Option<Timestamp>,
    /// Where it is.
    pub folder: PathBuf,
}

/// What a clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Builds, as `kubernetes 1.34.4`.
    pub builds: Vec<String>,
    /// Bytes freed.
    pub bytes: u64,
}

/// The folder. Nothing is written until there is something to build.
#[derive(Debug, Clone)]
pub(super) struct Cache {
    pub(super) root: PathBuf,
}

impl Cache {
    /// The given folder, else `catnap` in the folder that the system keeps for caches.
    pub(super) fn locate(given: Option<&Path>) -> Result<Self, ComponentError> {
        let root = match given {
            Some(given) => given.to_owned(),
            None => {
                etcetera::choose_base_strategy().map_err(|_| ComponentError::NoCacheFolder)?.cache_dir().join("catnap")
            }
        };
        // Go insists on absolute paths.
        let root = std::path::absolute(&root)
            .map_err(|source| ComponentError::CacheUnwritable { path: root.clone(), source })?;
        Ok(Self { root })
    }

    /// The folder of a build, there or not.
    pub(super) fn folder(&self, pin: &Pin, part: Part) -> PathBuf {
        self.version_folder(pin.component, pin.version).join(slot(pin, part))
    }

    /// The build, if it is there.
    pub(super) fn find(&self, pin: &Pin, part: Part) -> Result<Option<Entry>, ComponentError> {
        Entry::read(&self.folder(pin, part))
    }

    /// The file to lock while this is built.
    pub(super) fn lock(&self, pin: &Pin, part: Part) -> PathBuf {
        self.root.join("locks").join(format!("{}.lock", self.label(pin, part)))
    }

    /// A folder for this build, another one each time: the leash of one that was called off may still be removing its
    /// folder when the next one begins.
    pub(super) fn scratch(&self, pin: &Pin, part: Part) -> PathBuf {
        static ATTEMPT: AtomicU64 = AtomicU64::new(1);
        let attempt = ATTEMPT.fetch_add(1, Ordering::Relaxed);
        self.root.join("scratch").join(format!("{}.{}-{attempt}", self.label(pin, part), std::process::id()))
    }

    /// Where the output of Go goes.
    pub(super) fn log(&self, pin: &Pin) -> PathBuf {
        self.root.join("logs").join(format!("{}-{}.log", pin.component, pin.version))
    }

    /// Makes the folders that a build writes to.
    pub(super) fn prepare(&self, pin: &Pin) -> Result<(), ComponentError> {
        let version = self.version_folder(pin.component, pin.version);
        for folder in [version, self.root.join("locks"), self.root.join("scratch"), self.root.join("logs")] {
            std::fs::create_dir_all(&folder).map_err(|source| self.unwritable(source))?;
        }
        Ok(())
    }

    /// Whether something can be written to the folder, or could be if it were made.
    pub(super) fn writable(&self) -> Result<(), ComponentError> {
        let there = self.root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        tempfile::tempfile_in(there).map(drop).map_err(|source| self.unwritable(source))
    }

    pub(super) fn unwritable(&self, source: io::Error) -> ComponentError {
        ComponentError::CacheUnwritable { path: self.root.clone(), source }
    }

    /// Removes what interrupted builds of this left behind. To be called with its lock held.
    pub(super) fn sweep(&self, pin: &Pin, part: Part) {
        let prefix = format!("{}.", self.label(pin, part));
        for scratch in folders(&self.root.join("scratch")) {
            if name(&scratch).starts_with(&prefix) {
                // Perhaps someone's leash is at it as well.
                let _ = std::fs::remove_dir_all(scratch);
            }
        }
    }

    /// Every build there is, by component and version.
    pub(super) fn held(&self) -> Vec<Held> {
        let mut held = Vec::new();
        for component in Component::ALL {
            let pins = Pin::all(component);
            for version_folder in folders(&self.root.join("components").join(component.name())) {
                let version = name(&version_folder);
                let current: Vec<_> = pins
                    .iter()
                    .filter(|pin| pin.version == version)
                    .flat_map(|pin| [Part::Everything, Part::Crds].map(|part| slot(pin, part)))
                    .collect();
                for folder in folders(&version_folder) {
                    let entry = Entry::read(&folder).ok().flatten();
                    held.push(Held {
                        component,
                        version: version.clone(),
                        current: current.contains(&name(&folder)),
                        crds_only: name(&folder).ends_with("-crds"),
                        size: entry.as_ref().map_or_else(|| size(&folder), Entry::size),
                        made_by: entry.as_ref().map(|entry| entry.manifest.made_by.clone()).unwrap_or_default(),
                        made_at: entry.as_ref().map(|entry| entry.manifest.made_at),
                        folder,
                    });
                }
            }
        }
        held
    }

    /// Says what can be used without building anything.
    pub(super) fn usable(&self) -> String {
        let usable: Vec<_> = self
            .held()
            .iter()
            .filter(|held| held.current && !held.crds_only)
            .map(|held| format!("{} {}", held.component, held.version))
            .collect();
        if usable.is_empty() {
            "Nothing is in the cache yet.".to_owned()
        } else {
            format!("In the cache already: {}.", usable.join(", "))
        }
    }

    /// Removes the selected builds, and what interrupted ones left behind.
    pub(super) fn clean(&self, selection: &Selection) -> Result<Cleaned, ComponentError> {
        let mut cleaned = Cleaned::default();
        for held in self.held().into_iter().filter(|held| selection.covers(held)) {
            std::fs::remove_dir_all(&held.folder).map_err(|source| self.unwritable(source))?;
            if let Some(version_folder) = held.folder.parent() {
                // Goes only when nothing else is in it.
                let _ = std::fs::remove_dir(version_folder);
            }
            cleaned.bytes += held.size;
            cleaned.builds.push(format!("{} {}", held.component, held.version));
        }
        for scratch in folders(&self.root.join("scratch")) {
            let name = name(&scratch);
            let Some((label, _)) = name.rsplit_once('.') else { continue };
            let lock = Lock::try_take(&self.root.join("locks").join(format!("{label}.lock")));
            if let Ok(Some(_lock)) = lock {
                cleaned.bytes += size(&scratch);
                std::fs::remove_dir_all(&scratch).map_err(|source| self.unwritable(source))?;
            }
        }
        if *selection == Selection::All {
            let _ = std::fs::remove_dir_all(self.root.join("logs"));
        }
        Ok(cleaned)
    }

    fn version_folder(&self, component: Component, version: &str) -> PathBuf {
        self.root.join("components").join(component.name()).join(version)
    }

    fn label(&self, pin: &Pin, part: Part) -> String {
        format!("{}-{}-{}", pin.component, pin.version, slot(pin, part))
    }
}

/// The name of a build's folder.
fn slot(pin: &Pin, part: Part) -> String {
    let key = pin.key(Platform::here());
    match part {
        Part::Everything => key,
        Part::Crds => format!("{key}-crds"),
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(of)
        .into_iter()
        .flatten()
        .flatten()
        .map(|item| item.path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn name(folder: &Path) -> String {
    folder.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}

fn size(folder: &Path) -> u64 {
    files(folder).unwrap_or_default().iter().filter_map(|path| path.metadata().ok()).map(|data| data.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { root: folder.path().join("cache") };
        (folder, cache)
    }

    fn build(cache: &Cache, pin: &Pin, slot: &str) -> PathBuf {
        cache.prepare(pin).unwrap();
        let folder = cache.folder(pin, Part::Everything).with_file_name(slot);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("etcd"), "a program").unwrap();
        folder
    }

    #[test]
    fn looking_writes_nothing() {
        let (_folder, cache) = cache();
        let pin = Pin::find(Component::Etcd, "3.6.16").unwrap();
        assert!(cache.find(&pin, Part::Everything).unwrap().is_none());
        assert!(cache.held().is_empty());
        cache.writable().unwrap();
        assert!(!cache.root.exists());
    }

    #[test]
    fn a_build_from_other_pins_is_outdated_and_cleaned_first() {
        let (_folder, cache) = cache();
        let pin = Pin::find(Component::Etcd, "3.6.16").unwrap();
        let current = build(&cache, &pin, &slot(&pin, Part::Everything));
        let outdated = build(&cache, &pin, "000000000000");
        assert_eq!(cache.held().iter().map(|held| held.current).filter(|current| *current).count(), 1);
        let cleaned = cache.clean(&Selection::Outdated).unwrap();
        assert_eq!(cleaned, Cleaned { builds: vec!["etcd 3.6.16".to_owned()], bytes: 9 });
        assert!(current.exists() && !outdated.exists());
        cache.clean(&Selection::Component(Component::Kwok)).unwrap();
        cache.clean(&Selection::Version(Component::Etcd, "3.5.0".to_owned())).unwrap();
        assert!(current.exists());
        cache.clean(&Selection::Version(Component::Etcd, "3.6.16".to_owned())).unwrap();
        assert!(!current.parent().unwrap().exists());
    }

    #[tokio::test]
    async fn leftovers_go_unless_somebody_works_in_them() {
        let (_folder, cache) = cache();
        let pin = Pin::find(Component::Etcd, "3.6.16").unwrap();
        cache.prepare(&pin).unwrap();
        let scratch = cache.scratch(&pin, Part::Everything);
        std::fs::create_dir(&scratch).unwrap();
        let lock = Lock::take(&cache.lock(&pin, Part::Everything), |_| {}).await.unwrap();
        cache.clean(&Selection::All).unwrap();
        assert!(scratch.exists());
        drop(lock);
        cache.clean(&Selection::Outdated).unwrap();
        assert!(!scratch.exists());
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_named_with_the_variable() {
        let cache = Cache { root: PathBuf::from("/proc/catnap") };
        let pin = Pin::find(Component::Etcd, "3.6.16").unwrap();
        let text = cache.prepare(&pin).unwrap_err().to_string();
        assert!(text.contains("/proc/catnap") && text.contains("CATNAP_CACHE"), "{text}");
        assert!(cache.writable().is_err());
    }
}
