//! Processes that work for a lab and are not its own.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ProcessTime;
use super::child::memory_of;
use child_clock::wake;

/// A process that works for a lab and is not its own: it was there before the lab and stays when the lab goes. Whoever
/// started it ends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its name, for example `kube-apiserver`.
    pub name: String,
    /// Its process id.
    pub pid: i32,
    /// The file that its output goes to.
    pub log: PathBuf,
    /// How many bytes of that were written before it worked for this lab.
    pub log_begin: u64,
    /// Which time it lives in.
    pub time: ProcessTime,
}

impl Neighbour {
    /// The memory that it holds, in bytes, where the system tells.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        memory_of(&self.pid.to_string())
    }

    /// Interrupts its waits, so that it looks at its timers anew.
    pub(crate) fn wake(&self) {
        wake(self.pid);
    }

    /// Puts what it has said while it worked for the lab into the folder of the lab's logs, as `<name>.log`, before what
    /// a process of that name which came after it has said there.
    pub(super) fn keep_log(&self, folder: &Path) -> std::io::Result<()> {
        let mut log = std::fs::File::open(&self.log)?;
        log.seek(SeekFrom::Start(self.log_begin))?;
        let mut said = Vec::new();
        log.read_to_end(&mut said)?;
        let path = folder.join(format!("{}.log", self.name));
        said.extend(std::fs::read(&path).unwrap_or_default());
        std::fs::write(path, said)
    }
}
