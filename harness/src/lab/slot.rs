//! A lab takes one of few places on the machine, so that labs of several tests, and of several runs, do not starve each
//! other.

use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How often a waiting lab looks for a free place. Locks on files cannot be awaited several at a time.
const LOOK: Duration = Duration::from_millis(50);

/// A place on the machine, held until it is dropped (or its process ends, however it ends).
#[derive(Debug)]
pub(super) struct Slot {
    _lock: File,
}

impl Slot {
    /// Waits for one of `places` places.
    ///
    /// # Errors
    /// When the lock files cannot be made.
    pub(super) async fn take(places: usize) -> io::Result<Self> {
        let folder = folder();
        std::fs::create_dir_all(&folder)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot make {}: {error}", folder.display())))?;
        loop {
            for place in 0..places {
                let path = folder.join(format!("lab-{place}.lock"));
                let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(|error| {
                    io::Error::new(error.kind(), format!("cannot open the lock file {}: {error}", path.display()))
                })?;
                match file.try_lock() {
                    Ok(()) => return Ok(Self { _lock: file }),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// One folder for each user: lock files of another user could not be opened.
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("catnap-{}", nix::unistd::getuid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_place_is_free_again_when_its_holder_is_gone() {
        // Places beyond those that labs on this machine use.
        let many = 4096;
        let first = Slot::take(many).await.unwrap();
        drop(first);
        Slot::take(many).await.unwrap();
    }
}
