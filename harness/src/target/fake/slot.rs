//! A lab takes one of few places on the machine, so that labs of several tests, and of several runs, do not starve each
//! other.

use std::io;
use std::time::Duration;

use place::Place;

use crate::report::ProgressWriter;
use crate::target::StartError;

/// How often a waiting lab looks for a free place: several places cannot be awaited at a time.
const LOOK: Duration = Duration::from_millis(50);

/// A place on the machine, held until it is dropped (or its process ends, however it ends).
#[derive(Debug)]
pub(in crate::target) struct Slot {
    _place: Place,
}

impl Slot {
    /// Waits for one of `places` places, and tells that it waits.
    ///
    /// # Errors
    /// When places cannot be had at all.
    pub(in crate::target) async fn wait_for(places: usize, progress: &ProgressWriter) -> Result<Self, StartError> {
        let waiting = || {
            progress.step("wait for a place on this machine");
            if !progress.is_read() {
                eprintln!("waiting: this machine has as many labs as it may ({places}, see CATNAP_LABS)");
            }
        };
        let slot = Self::take(places, waiting).await;
        slot.map_err(|source| StartError::io("take a place on this machine", source))
    }

    /// Waits for one of `places` places; `waiting` is told once, when there is none at first.
    ///
    /// # Errors
    /// When places cannot be had at all.
    async fn take(places: usize, waiting: impl FnOnce()) -> io::Result<Self> {
        let mut waiting = Some(waiting);
        loop {
            for number in 0..places {
                if let Some(place) = Place::try_take(number)? {
                    return Ok(Self { _place: place });
                }
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// A name in the kernel's abstract namespace: it goes with its process and leaves no file behind. One for each user.
#[cfg(target_os = "linux")]
mod place {
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    #[derive(Debug)]
    pub(super) struct Place {
        _name: UnixDatagram,
    }

    impl Place {
        pub(super) fn try_take(number: usize) -> io::Result<Option<Self>> {
            let name = format!("catnap/{}/lab-{number}", nix::unistd::getuid());
            match UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name)?) {
                Ok(name) => Ok(Some(Self { _name: name })),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(None),
                Err(error) => Err(error),
            }
        }
    }
}

/// A lock file: other systems have no abstract names. One folder for each user, whose files others could not open.
#[cfg(not(target_os = "linux"))]
mod place {
    use std::fs::{File, TryLockError};
    use std::io;

    #[derive(Debug)]
    pub(super) struct Place {
        _lock: File,
    }

    impl Place {
        pub(super) fn try_take(number: usize) -> io::Result<Option<Self>> {
            let folder = std::env::temp_dir().join(format!("catnap-{}", nix::unistd::getuid()));
            let path = folder.join(format!("lab-{number}.lock"));
            let cannot = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            std::fs::create_dir_all(&folder).map_err(cannot)?;
            let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(Self { _lock: file })),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(cannot(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place far beyond those that labs on this machine use.
    const NUMBER: usize = 4096;

    #[test]
    fn a_place_has_one_holder_and_is_free_again_when_it_is_gone() {
        let first = Place::try_take(NUMBER).unwrap();
        assert!(first.is_some());
        assert!(Place::try_take(NUMBER).unwrap().is_none());
        drop(first);
        assert!(Place::try_take(NUMBER).unwrap().is_some());
    }
}
