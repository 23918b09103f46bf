//! One catnap at a time builds a component into a cache.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

/// Held while a component is built. The kernel lets go of it however we end.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock; `waiting` is told the process that holds it, as far as known, and is told again each second.
    pub(super) async fn take(path: &Path, waiting: impl Fn(Option<u32>)) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut tries = 0u32;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {
                    if tries.is_multiple_of(5) {
                        waiting(holder(&mut file));
                    }
                    tries += 1;
                    // A thread blocked in lock() could not be called off, and would keep Ctrl-C from ending us.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        write!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }

    /// Takes the lock if nobody has it.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[tokio::test]
    async fn the_second_waits_and_learns_who_is_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = Lock::take(&path, |_| panic!("nobody holds it")).await.unwrap();
        assert!(Lock::try_take(&path).unwrap().is_none());
        let first = Mutex::new(Some(first));
        let told = Mutex::new(None);
        let second = Lock::take(&path, |process| {
            *told.lock() = process;
            drop(first.lock().take());
        });
        second.await.unwrap();
        assert_eq!(told.into_inner(), Some(std::process::id()));
    }
}
