//! Whether a lab is quiet: no thread of it runs or wants to run, and none has run since the last look.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Looks at processes, and at threads of this process.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    used: BTreeMap<i32, Duration>,
}

/// The kernel's number of the calling thread.
pub(crate) fn own_thread() -> i32 {
    nix::unistd::gettid().as_raw()
}

impl Activity {
    /// Whether all of it is at rest at this moment. `steady` are processes that do nothing of themselves, at rest if no
    /// CPU time was used since the last look either; `ticking` ones, which wake up all the time, are at rest where none
    /// of their threads runs or wants to; `threads` are threads of this process.
    ///
    /// Loads of the machine do not deceive it: a thread that waits for a CPU is not at rest.
    pub(crate) fn is_at_rest(&mut self, steady: &[i32], ticking: &[i32], threads: &[i32]) -> bool {
        let before = used(steady, threads);
        let unchanged = before == self.used;
        self.used = before;
        if !unchanged {
            return false;
        }
        let own = std::process::id();
        let wants_to_run = steady.iter().chain(ticking).any(|&pid| any_thread_runs(pid))
            || threads.iter().any(|thread| runs(&format!("/proc/{own}/task/{thread}/stat")));
        if wants_to_run {
            return false;
        }
        // One thread may have been woken by another that was looked at earlier.
        let after = used(steady, threads);
        let still = after == self.used;
        self.used = after;
        still
    }
}

/// CPU time by process and by (negative) thread.
fn used(processes: &[i32], threads: &[i32]) -> BTreeMap<i32, Duration> {
    let time = |clock: ClockId| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    let processes = processes.iter().filter_map(|&pid| {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid)).ok()?;
        Some((pid, time(clock)))
    });
    // The number of a thread's CPU clock, as `pthread_getcpuclockid` makes it.
    let threads = threads.iter().map(|&thread| (-thread, time(ClockId::from_raw((!thread << 3) | 6))));
    processes.chain(threads).collect()
}

fn any_thread_runs(pid: i32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| runs(&format!("{}/stat", thread.path().display())))
}

/// Whether a thread runs, wants to run, or waits for a disk.
fn runs(stat: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(stat) else { return false };
    matches!(stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()), Some('R' | 'D'))
}
