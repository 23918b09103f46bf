//! One build in the cache: a folder with the programs, the CRDs and a manifest that holds the checksum of each file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::{Component, ComponentError};

/// The manifest's file name. It is written last but for the rename of the whole folder.
pub(super) const MANIFEST: &str = "manifest.json";

/// What a build consists of and where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) component: Component,
    pub(super) version: String,
    pub(super) key: String,
    /// `linux/amd64`.
    pub(super) platform: String,
    /// What made it: `go1.26.8`.
    pub(super) made_by: String,
    /// Wall time.
    pub(super) made_at: Timestamp,
    /// By path relative to the folder.
    pub(super) files: BTreeMap<String, Sum>,
}

/// A file as it was when the manifest was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sum {
    pub(super) sha256: String,
    pub(super) size: u64,
    /// Nanoseconds since 1970, as text: JSON numbers are not made for them.
    pub(super) modified: String,
}

/// A complete build.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) folder: PathBuf,
    pub(super) manifest: Manifest,
}

/// How closely files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Size and time of change; the checksum only where these differ.
    Quick,
    /// Every checksum.
    Thorough,
}

impl Entry {
    /// Reads the manifest; `None` without one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ComponentError> {
        let path = folder.join(MANIFEST);
        let unreadable = |source| ComponentError::CacheUnreadable { path: path.clone(), source };
        match std::fs::read(&path) {
            Ok(text) => {
                let manifest = serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
                Ok(Some(Self { folder: folder.to_owned(), manifest }))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Takes the sums of everything in the folder and writes the manifest.
    pub(super) fn seal(folder: &Path, mut manifest: Manifest) -> io::Result<()> {
        manifest.files.clear();
        for path in files(folder)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
            if name != MANIFEST {
                manifest.files.insert(name, Sum::take(&path)?);
            }
        }
        write(folder, &manifest)
    }

    /// Compares the files with the manifest.
    pub(super) fn verify(&self, look: Look) -> Result<(), ComponentError> {
        let mut touched = self.manifest.clone();
        for (name, sum) in &self.manifest.files {
            let path = self.folder.join(name);
            let damaged = |found: String| ComponentError::Damaged {
                component: self.manifest.component,
                version: self.manifest.version.clone(),
                path: path.clone(),
                expected: sum.sha256.clone(),
                found,
            };
            let seen = match Seen::of(&path) {
                Ok(seen) => seen,
                Err(error) => return Err(damaged(format!("unknown ({error})"))),
            };
            if look == Look::Quick && seen.size == sum.size && seen.modified == sum.modified {
                continue;
            }
            let found = sha256(&path).map_err(|error| damaged(format!("unknown ({error})")))?;
            if found != sum.sha256 {
                return Err(damaged(found));
            }
            touched.files.insert(name.clone(), Sum { modified: seen.modified, ..sum.clone() });
        }
        if touched != self.manifest {
            // A cache that was copied has new times; where it cannot be written the sums are taken each time.
            let _ = write(&self.folder, &touched);
        }
        Ok(())
    }

    /// A file of the build.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Bytes of all files.
    pub(super) fn size(&self) -> u64 {
        self.manifest.files.values().map(|sum| sum.size).sum()
    }
}

impl Sum {
    fn take(path: &Path) -> io::Result<Self> {
        let Seen { size, modified } = Seen::of(path)?;
        Ok(Self { sha256: sha256(path)?, size, modified })
    }
}

struct Seen {
    size: u64,
    modified: String,
}

impl Seen {
    fn of(path: &Path) -> io::Result<Self> {
        let data = path.metadata()?;
        let modified = data.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { size: data.len(), modified: modified.to_string() })
    }
}

/// Another process may read or refresh the manifest at the same time: it is replaced in one step.
fn write(folder: &Path, manifest: &Manifest) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, manifest)?;
    // Temporary files are for their owner only; a cache may be shared.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(folder.join(MANIFEST))?;
    Ok(())
}

/// Every file in a folder and the folders in it.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for item in std::fs::read_dir(&folder)? {
            let item = item?;
            if item.file_type()?.is_dir() { open.push(item.path()) } else { found.push(item.path()) }
        }
    }
    found.sort();
    Ok(found)
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn sealed() -> (tempfile::TempDir, Entry) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("crds")).unwrap();
        std::fs::write(folder.path().join("etcd"), "a program").unwrap();
        std::fs::write(folder.path().join("crds/a.yaml"), "kind: A").unwrap();
        let manifest = Manifest {
            component: Component::Etcd,
            version: "3.6.16".to_owned(),
            key: "0123".to_owned(),
            platform: "linux/amd64".to_owned(),
            made_by: "go1.26.8".to_owned(),
            made_at: Timestamp::UNIX_EPOCH,
            files: BTreeMap::new(),
        };
        Entry::seal(folder.path(), manifest).unwrap();
        let entry = Entry::read(folder.path()).unwrap().unwrap();
        (folder, entry)
    }

    fn touch(path: &Path) {
        let later = SystemTime::now() + Duration::from_secs(100);
        File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
    }

    #[test]
    fn a_sealed_folder_holds_every_file_and_passes() {
        let (_folder, entry) = sealed();
        assert_eq!(entry.manifest.files.keys().collect::<Vec<_>>(), ["crds/a.yaml", "etcd"]);
        entry.verify(Look::Quick).unwrap();
        entry.verify(Look::Thorough).unwrap();
    }

    #[test]
    fn a_folder_without_manifest_is_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Entry::read(folder.path()).unwrap().is_none());
        assert!(Entry::read(&folder.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn a_changed_file_is_refused_with_both_sums_and_the_remedy() {
        let (folder, entry) = sealed();
        std::fs::write(folder.path().join("etcd"), "another one").unwrap();
        let text = entry.verify(Look::Quick).unwrap_err().to_string();
        assert!(text.contains(&entry.manifest.files["etcd"].sha256), "{text}");
        assert!(text.contains(&sha256(&folder.path().join("etcd")).unwrap()), "{text}");
        assert!(text.contains("catnap components clean etcd@3.6.16"), "{text}");
    }

    #[test]
    fn a_missing_file_is_refused() {
        let (folder, entry) = sealed();
        std::fs::remove_file(folder.path().join("crds/a.yaml")).unwrap();
        assert!(entry.verify(Look::Quick).is_err());
    }

    #[test]
    fn a_copied_file_has_another_time_and_passes_from_then_on_quickly() {
        let (folder, entry) = sealed();
        touch(&folder.path().join("etcd"));
        entry.verify(Look::Quick).unwrap();
        let again = Entry::read(folder.path()).unwrap().unwrap();
        assert_ne!(again.manifest.files["etcd"].modified, entry.manifest.files["etcd"].modified);
        again.verify(Look::Quick).unwrap();
    }

    #[test]
    fn a_file_of_the_same_size_and_time_is_found_out_by_a_thorough_look() {
        let (folder, mut entry) = sealed();
        let path = folder.path().join("etcd");
        std::fs::write(&path, "b program").unwrap();
        entry.manifest.files.get_mut("etcd").unwrap().modified = Seen::of(&path).unwrap().modified;
        entry.verify(Look::Quick).unwrap();
        assert!(entry.verify(Look::Thorough).is_err());
    }
}
