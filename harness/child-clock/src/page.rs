//! The page of memory that holds a lab's time.

#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// The file descriptor as which a child finds the page's memory when it becomes its program.
pub const INHERITED: i32 = 9;

/// Bytes of the mapping.
pub(crate) const SIZE: usize = 4096;

/// How far a lab's time is ahead of the machine's. The harness writes it, the children see it at the same instant.
#[derive(Debug)]
pub struct TimePage {
    memory: OwnedFd,
    words: NonNull<Words>,
}

/// The layout that the code in the children reads.
#[repr(C)]
struct Words {
    /// Nanoseconds by which all clocks were moved on. Only grows.
    moved: AtomicU64,
    /// Seconds from the machine's date to the date at which the lab began; for the clocks that tell a date. Set once,
    /// before there are children.
    base: AtomicI64,
}

// SAFETY: the mapping is shared between threads and processes; it is only accessed through atomics.
unsafe impl Send for TimePage {}
// SAFETY: as above.
unsafe impl Sync for TimePage {}

impl TimePage {
    /// A page that says: not moved, and `base` seconds from the machine's date.
    pub fn new(base: i64) -> std::io::Result<Self> {
        let memory = memfd_create("catnap-time", MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&memory, SIZE as i64)?;
        let page = Self::map(memory)?;
        page.words().base.store(base, Ordering::Release);
        Ok(page)
    }

    /// The page that is found at a [path](Self::path), of another process it may be.
    pub fn open(path: &str) -> std::io::Result<Self> {
        let memory = std::fs::File::options().read(true).write(true).open(path)?;
        // Whatever else is there would be written over, or end before the page does.
        if memory.metadata()?.len() != SIZE as u64 {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, format!("{path} is no page of time")));
        }
        Self::map(memory.into())
    }

    fn map(memory: OwnedFd) -> std::io::Result<Self> {
        let length = NonZeroUsize::new(SIZE).ok_or(std::io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address that the kernel chooses, of a file whose size nobody changes; it is
        // unmapped by `drop` alone.
        let mapped = unsafe {
            mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &memory, 0)
        }?;
        Ok(Self { memory, words: mapped.cast() })
    }

    /// Where a child of this process finds the page's memory, for as long as it is in the same user namespace: from
    /// another one it may not look at this process's files.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.memory.as_raw_fd())
    }

    /// By how much all clocks were moved on.
    pub fn moved(&self) -> Duration {
        Duration::from_nanos(self.words().moved.load(Ordering::Acquire))
    }

    /// Seconds from the machine's date to the lab's, before moves.
    pub fn base(&self) -> i64 {
        self.words().base.load(Ordering::Acquire)
    }

    /// Moves all clocks on. 584 years in all are possible.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.words().moved.fetch_add(by, Ordering::AcqRel);
    }

    fn words(&self) -> &Words {
        // SAFETY: the mapping is at least a page, aligned to one, and lives as long as `self`; all-zero bytes are valid.
        unsafe { self.words.as_ref() }
    }
}

impl Drop for TimePage {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length; no reference into it outlives `self`.
        let _ = unsafe { munmap(self.words.cast(), SIZE) };
    }
}
