//! Whether a lab is quiet: no thread of it runs or wants to run, and none has run since the last look.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Looks at processes, and at threads of this process.
#[derive(Debug, Default)]
pub struct Activity {
    used: BTreeMap<i32, Duration>,
    /// Of each process that was looked at.
    members: BTreeMap<i32, Members>,
    /// Of each thread of this process that was looked at.
    own: BTreeMap<i32, Member>,
}

/// The kernel's number of the calling thread.
pub fn own_thread() -> i32 {
    nix::unistd::gettid().as_raw()
}

impl Activity {
    /// Whether all of it is at rest at this moment. `steady` are processes that do nothing of themselves, at rest if no
    /// CPU time was used since the last look either; `ticking` ones, which wake up all the time, are at rest where none
    /// of their threads runs or wants to; `threads` are threads of this process.
    ///
    /// Loads of the machine do not deceive it: a thread that waits for a CPU is not at rest.
    pub fn is_at_rest(&mut self, steady: &[i32], ticking: &[i32], threads: &[i32]) -> bool {
        let before = used(steady, threads);
        let unchanged = before == self.used;
        self.used = before;
        if !unchanged {
            return false;
        }
        self.members.retain(|pid, _| steady.contains(pid) || ticking.contains(pid));
        self.own.retain(|thread, _| threads.contains(thread));
        // The ticking ones first: it is mostly one of them that runs.
        let wants_to_run = ticking.iter().chain(steady).any(|&pid| self.any_thread_runs(pid))
            || threads.iter().any(|&thread| self.runs(thread));
        if wants_to_run {
            return false;
        }
        // One thread may have been woken by another that was looked at earlier.
        let after = used(steady, threads);
        let still = after == self.used;
        self.used = after;
        still
    }

    fn any_thread_runs(&mut self, pid: i32) -> bool {
        if let Some(runs) = self.members.get(&pid).and_then(Members::run) {
            return runs;
        }
        // Other threads than the last time. What cannot be looked at any more has ended.
        let Ok(members) = Members::of(pid) else {
            self.members.remove(&pid);
            return false;
        };
        let runs = members.members.iter().any(|member| member.runs() == Some(true));
        self.members.insert(pid, members);
        runs
    }

    fn runs(&mut self, thread: i32) -> bool {
        if let Some(runs) = self.own.get(&thread).and_then(Member::runs) {
            return runs;
        }
        let own = std::process::id();
        let Ok(member) = Member::open(format!("/proc/{own}/task/{thread}/stat").as_ref()) else {
            self.own.remove(&thread);
            return false;
        };
        let runs = member.runs() == Some(true);
        self.own.insert(thread, member);
        runs
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

/// The threads of a process. There are a hundred in a lab, and all are looked at thousands of times a minute: their
/// files stay open, which halves what a look costs.
#[derive(Debug)]
struct Members {
    folder: File,
    members: Vec<Member>,
}

impl Members {
    fn of(pid: i32) -> std::io::Result<Self> {
        let folder = format!("/proc/{pid}/task");
        let mut members = Vec::new();
        for thread in std::fs::read_dir(&folder)? {
            // One that ends between the two is none any more.
            if let Ok(member) = Member::open(&thread?.path().join("stat")) {
                members.push(member);
            }
        }
        Ok(Self { folder: File::open(folder)?, members })
    }

    /// Whether a thread runs; `None` where the threads are other ones by now.
    fn run(&self) -> Option<bool> {
        for member in &self.members {
            if member.runs()? {
                return Some(true);
            }
        }
        // The kernel counts a process's threads as links to the folder, beside the usual two. One that ended was seen
        // above, so equal numbers are equal threads.
        let links = usize::try_from(self.folder.metadata().ok()?.nlink()).ok()?;
        (links == self.members.len() + 2).then_some(false)
    }
}

/// One thread: its `stat`.
#[derive(Debug)]
struct Member(File);

impl Member {
    fn open(stat: &std::path::Path) -> std::io::Result<Self> {
        File::open(stat).map(Self)
    }

    /// Whether it runs, wants to run, or waits for a disk; `None` where it has ended.
    fn runs(&self) -> Option<bool> {
        // Its number, at most 64 bytes of a name in parentheses, and the letter.
        let mut beginning = [0; 128];
        let length = self.0.read_at(&mut beginning, 0).ok()?;
        state(&beginning[..length]).map(|state| matches!(state, b'R' | b'D'))
    }
}

/// The state in the beginning of a `stat`: `12 (a name) S 1 …`. A name may hold parentheses too.
fn state(stat: &[u8]) -> Option<u8> {
    let end = stat.windows(2).rposition(|two| two == b") ")?;
    stat.get(end + 2).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc;
    use std::thread::JoinHandle;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_name_may_look_like_a_state() {
        assert_eq!(state(b"12 (karpenter) S 1 2"), Some(b'S'));
        assert_eq!(state(b"12 (a) R (b) D 1 2"), Some(b'D'));
        assert_eq!(state(b"12 (cut of"), None);
        assert_eq!(state(b""), None);
    }

    /// A thread that works until it is told to stop.
    fn busy() -> (i32, impl FnOnce()) {
        let goes_on = Arc::new(AtomicBool::new(true));
        let (tell, told) = mpsc::channel();
        let worker: JoinHandle<()> = std::thread::spawn({
            let goes_on = goes_on.clone();
            move || {
                tell.send(own_thread()).unwrap();
                while goes_on.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
        });
        let thread = told.recv().unwrap();
        let stop = move || {
            goes_on.store(false, Ordering::Relaxed);
            worker.join().unwrap();
        };
        (thread, stop)
    }

    /// Looks until it is so.
    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(30), "30 s on, not yet: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn threads_that_come_and_go_are_seen() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(sleeper.id()).unwrap();
        let mut activity = Activity::default();
        until("it has become `sleep` and sleeps", || !activity.any_thread_runs(pid));
        until("it sleeps, through the open file", || activity.members[&pid].run() == Some(false));

        for _ in 0..3 {
            let (thread, stop) = busy();
            assert!(activity.runs(thread));
            assert!(activity.runs(thread), "through the open file");
            stop();
            // Who joins a thread goes on before the kernel is done with it.
            until("it has ended", || !activity.runs(thread));
        }

        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(!activity.any_thread_runs(pid));
        assert!(activity.members.is_empty());
    }

    #[test]
    fn a_thread_that_is_not_among_the_members_is_missed() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(sleeper.id()).unwrap();
        let mut members = Members::of(pid).unwrap();
        until("it sleeps", || members.run() == Some(false));
        // As if it had begun since then.
        members.members.clear();
        assert_eq!(members.run(), None);
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}
