//! What this machine has to offer: processors, memory, disk space.

use std::path::Path;

const GIB: u64 = 1 << 30;

/// What a compiler needs at its largest package, and a linker of a program of this size.
const COMPILER: u64 = GIB * 3 / 4;
const LINKER: u64 = 2 * GIB;

/// Processors and memory that are ours to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    /// Processors, less where a container or an affinity allows fewer.
    pub cores: usize,
    /// Memory in bytes that can still be used, where it is known.
    pub memory: Option<u64>,
}

/// How many builds run side by side and how many packages each compiles at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parallelism {
    pub(super) builds: usize,
    pub(super) packages: usize,
}

impl Machine {
    /// Asks the system.
    #[must_use]
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let system = read("/proc/meminfo").and_then(|text| available(&text));
        let group = (|| {
            let limit: u64 = read("/sys/fs/cgroup/memory.max")?.trim().parse().ok()?;
            let used: u64 = read("/sys/fs/cgroup/memory.current")?.trim().parse().ok()?;
            Some(limit.saturating_sub(used))
        })();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: match (system, group) {
                (Some(system), Some(group)) => Some(system.min(group)),
                (one, other) => one.or(other),
            },
        }
    }

    /// Shares processors and memory out among `wanted` builds. Whatever memory there is, one build of one package at a
    /// time is tried.
    pub(super) fn share(self, wanted: usize) -> Parallelism {
        let memory = self.memory.unwrap_or(4 * GIB * self.cores as u64);
        let fitting = usize::try_from(memory / (LINKER + COMPILER)).unwrap_or(usize::MAX);
        let builds = self.cores.min(wanted).min(fitting).max(1);
        let each = memory / builds as u64;
        let packages = usize::try_from(each.saturating_sub(LINKER) / COMPILER).unwrap_or(usize::MAX);
        Parallelism { builds, packages: packages.clamp(1, self.cores) }
    }
}

/// Reads `MemAvailable` of `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes that an ordinary user can still write to the disk that holds `path`, or the nearest folder above it that is.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|folder| folder.exists())?;
    let disk = nix::sys::statvfs::statvfs(there).ok()?;
    // The types of these fields differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    Some(disk.blocks_available() as u64 * disk.fragment_size() as u64)
}

/// `1.5 GiB`, `12 MiB`.
pub(super) fn bytes(amount: u64) -> String {
    if amount >= GIB { format!("{:.1} GiB", amount as f64 / GIB as f64) } else { format!("{} MiB", amount >> 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_how_much_memory_is_available() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn builds_share_what_there_is() {
        let share = |cores, gib, wanted| Machine { cores, memory: Some(gib * GIB) }.share(wanted);
        assert_eq!(share(2, 23, 4), Parallelism { builds: 2, packages: 2 });
        assert_eq!(share(16, 64, 4), Parallelism { builds: 4, packages: 16 });
        assert_eq!(share(8, 4, 4), Parallelism { builds: 1, packages: 2 });
        assert_eq!(share(8, 1, 4), Parallelism { builds: 1, packages: 1 });
        assert_eq!(share(4, 64, 1), Parallelism { builds: 1, packages: 4 });
    }

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_space_of_the_one_above() {
        assert!(free_space(Path::new("/no/such/folder")).is_some_and(|space| space > 0));
    }
}
