//! Puts what is missing into the cache: one catnap at a time for each component, in a folder of its own that appears
//! in the cache only when it is complete.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::watch;

use super::build;
use super::cache::{Cache, Part};
use super::entry::{Entry, Look, Manifest};
use super::go::Go;
use super::lock::Lock;
use super::machine::{bytes, free_space};
use super::pin::{Pin, Platform};
use super::{ComponentError, Source, Stage};
use leash::Leash;

/// A scratch folder that goes when this is dropped, along with whatever runs in it.
#[derive(Debug)]
pub(super) struct Workplace {
    /// The folder.
    pub(super) scratch: PathBuf,
    /// What is put here becomes the build.
    pub(super) out: PathBuf,
    /// Holds the processes that work here.
    pub(super) leash: Leash,
    /// Takes their output.
    pub(super) log: File,
    /// Where that is.
    pub(super) log_path: PathBuf,
}

impl Workplace {
    fn set_up(cache: &Cache, pin: &Pin, part: Part) -> io::Result<Self> {
        let scratch = cache.scratch(pin, part);
        let out = scratch.join("out");
        std::fs::create_dir(&scratch)?;
        let leash = Leash::over(&scratch)?;
        std::fs::create_dir(&out)?;
        std::fs::create_dir(scratch.join("tmp"))?;
        std::fs::write(scratch.join("go.mod"), pin.go_mod)?;
        std::fs::write(scratch.join("go.sum"), pin.go_sum)?;
        let log_path = cache.log(pin);
        Ok(Self { out, leash, log: File::create(&log_path)?, log_path, scratch })
    }
}

/// Makes one build, unless another catnap has made it by the time it is our turn. `None` if `stop` becomes true before
/// it is done; then nothing of it is left. The cache was [prepared](Cache::prepare).
pub(super) async fn obtain(
    cache: &Cache,
    go: &Go,
    pin: &Pin,
    part: Part,
    packages: usize,
    report: &(dyn Fn(Stage) + Send + Sync),
    stop: &mut watch::Receiver<bool>,
) -> Result<Option<(Entry, Source)>, ComponentError> {
    let trouble = |error| unwritable(cache, go, pin, error);
    let lock = cache.lock(pin, part);
    let _lock = tokio::select! {
        lock = Lock::take(&lock, |process| report(Stage::WaitingForOther { process })) => lock.map_err(trouble)?,
        _ = stop.wait_for(|stop| *stop) => return Ok(None),
    };
    if let Some(entry) = cache.find(pin, part)? {
        entry.verify(Look::Quick)?;
        return Ok(Some((entry, Source::Cache)));
    }
    cache.sweep(pin, part);
    let mut workplace = Workplace::set_up(cache, pin, part).map_err(trouble)?;
    // A download of something prebuilt is to be tried here, before anything is built.
    let built = tokio::select! {
        built = build::build(cache, go, pin, part, packages, &mut workplace, report) => Some(built),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let kept = match built {
        Some(Ok(())) => Some(keep(cache, go, pin, part, &workplace.out).await.map_err(trouble)),
        Some(Err(error)) => Some(Err(error)),
        None => None,
    };
    workplace.leash.finish().await;
    let Some(kept) = kept else { return Ok(None) };
    kept?;
    let vanished = || cache.unwritable(io::Error::other(format!("{} vanished", cache.folder(pin, part).display())));
    let entry = cache.find(pin, part)?.ok_or_else(vanished)?;
    Ok(Some((entry, Source::Built)))
}

/// Seals the build and moves it into its place.
async fn keep(cache: &Cache, go: &Go, pin: &Pin, part: Part, out: &Path) -> io::Result<()> {
    let platform = Platform::here();
    let manifest = Manifest {
        component: pin.component,
        version: pin.version.to_owned(),
        key: pin.key(platform),
        platform: format!("{}/{}", platform.os, platform.arch),
        made_by: go.environment.goversion.clone(),
        made_at: Timestamp::now(),
        files: BTreeMap::new(),
    };
    let (out, place) = (out.to_owned(), cache.folder(pin, part));
    tokio::task::spawn_blocking(move || {
        Entry::seal(&out, manifest)?;
        if place.exists() {
            // Without a manifest, or it would have been found: no build of ours.
            std::fs::remove_dir_all(&place)?;
        }
        std::fs::rename(&out, &place)
    })
    .await
    .map_err(io::Error::other)?
}

/// An error of our own writing into the cache.
pub(super) fn unwritable(cache: &Cache, go: &Go, pin: &Pin, error: io::Error) -> ComponentError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => disk_full(cache, go, pin, error.to_string()),
        _ => cache.unwritable(error),
    }
}

/// Says where how much space is left. Three folders may be on three disks.
pub(super) fn disk_full(cache: &Cache, go: &Go, pin: &Pin, detail: String) -> ComponentError {
    let places = [
        ("catnap's cache", &cache.root, "CATNAP_CACHE moves it"),
        ("Go's build cache", &go.environment.gocache, "GOCACHE moves it, `go clean -cache` empties it"),
        ("Go's module cache", &go.environment.gomodcache, "GOMODCACHE moves it, `go clean -modcache` empties it"),
    ];
    let places = places
        .iter()
        .map(|(what, path, remedy)| {
            let free = free_space(path).map_or_else(|| "unknown".to_owned(), bytes);
            format!("- {what}, {}: {free} free; {remedy}", path.display())
        })
        .collect::<Vec<_>>()
        .join("\n");
    let places = format!(
        "{places}\nBuilding everything takes about {}; what is compiled already is kept.",
        bytes(super::finding::NEEDED_SPACE)
    );
    ComponentError::DiskFull { component: pin.component, version: pin.version.to_owned(), detail, places }
}
