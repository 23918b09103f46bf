//! How many scenarios run at a time.

use crate::clock::ClockKind;

/// What one lab needs: etcd, three Kubernetes components, KWOK and the provisioner, and the API servers of other shapes that
/// rest in its time until somebody asks for them.
const LAB: u64 = 2 * 1024 * 1024 * 1024;

/// As many scenarios as there are processors for, and memory; at least one.
#[must_use]
pub(crate) fn default_jobs(clock: ClockKind) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let memory = [
        read("/proc/meminfo").and_then(|text| available_memory(&text)),
        free_of_group(read("/sys/fs/cgroup/memory.max"), read("/sys/fs/cgroup/memory.current")),
    ];
    jobs(labs_per_processor(clock), processors, memory.into_iter().flatten().min())
}

/// Even where time moves on over what it waits for, a lab does not always have something to do: two share a processor
/// well. In real time it mostly waits.
fn labs_per_processor(clock: ClockKind) -> usize {
    match clock {
        ClockKind::Movable => 2,
        ClockKind::Real => 8,
    }
}

fn jobs(labs_per_processor: usize, processors: usize, memory: Option<u64>) -> usize {
    let labs = memory.map_or(usize::MAX, |bytes| usize::try_from(bytes / LAB).unwrap_or(usize::MAX));
    (labs_per_processor * processors).min(labs).max(1)
}

/// Bytes of memory that can be had without swapping, from `/proc/meminfo`.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Bytes that the control group (a container, a CI job) may still use; `None` where it has no limit.
fn free_of_group(limit: Option<String>, used: Option<String>) -> Option<u64> {
    let limit: u64 = limit?.trim().parse().ok()?;
    let used: u64 = used?.trim().parse().ok()?;
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * 1024 * 1024;

    #[test]
    fn processors_and_memory_both_limit() {
        assert_eq!(jobs(2, 8, None), 16);
        assert_eq!(jobs(2, 8, Some(7 * GIB)), 3);
        assert_eq!(jobs(2, 2, Some(64 * GIB)), 4);
        assert_eq!(jobs(2, 8, Some(GIB)), 1);
        assert!((1..=default_jobs(ClockKind::Real)).contains(&default_jobs(ClockKind::Movable)));
    }

    #[test]
    fn memory_is_read_as_linux_tells_it() {
        assert_eq!(available_memory("MemTotal:  9 kB\nMemAvailable:   2048 kB\n"), Some(2 * 1024 * 1024));
        assert_eq!(available_memory("MemTotal: 9 kB\n"), None);
        assert_eq!(free_of_group(Some("max\n".into()), Some("5\n".into())), None);
        assert_eq!(free_of_group(Some("7\n".into()), Some("5\n".into())), Some(2));
    }
}
