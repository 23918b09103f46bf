//! One child process.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::launch::PausedChild;
use super::meter::cpu_time_of;
use super::{Neighbour, PortLease, ProcessTime, tail};
use crate::history::{Event, History};
use child_clock::{ClockError, MovedClocks, TimePage, set_clock, wake};
use leash::Guardian;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with status {status}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "was ended by {signal}"),
                Err(_) => write!(f, "was ended by signal {number}"),
            },
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Status(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

/// A handle on a child process. Clones share it; dropping one does not end the process, which belongs to its
/// [`Processes`](super::Processes).
#[derive(Debug, Clone)]
pub struct Child(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    group: Pid,
    log: PathBuf,
    grace: Duration,
    history: History,
    state: Mutex<State>,
    gone: Condvar,
    exit: watch::Sender<Option<Exit>>,
    clock: Option<Arc<TimePage>>,
    time: ProcessTime,
    clock_error: watch::Sender<Option<ClockError>>,
}

/// What a child is known by and kept under.
pub(super) struct About {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) log: PathBuf,
    pub(super) grace: Duration,
    pub(super) ports: Vec<PortLease>,
    /// The time that it is to live in, where that is not the machine's.
    pub(super) clock: Option<Arc<TimePage>>,
    /// Which part of that time.
    pub(super) time: ProcessTime,
}

#[derive(Debug)]
struct State {
    /// The process is not reaped: its id and its group's are nobody else's.
    ours: bool,
    /// Its end was asked for.
    asked: bool,
    ports: Vec<PortLease>,
    /// CPU time that it had used when it ended.
    used: Option<Duration>,
}

impl Child {
    /// Takes charge of a process that leads a group of its own, and lets it through its gate.
    pub(super) fn watch(
        paused: PausedChild,
        about: About,
        history: History,
        guardian: Arc<Guardian>,
    ) -> std::io::Result<Self> {
        let About { name, program, log, grace, ports, clock, time } = about;
        let group = Pid::from_raw(paused.pid());
        let child = Self(Arc::new(Inner {
            name,
            group,
            log,
            grace,
            history,
            state: Mutex::new(State { ours: true, asked: false, ports, used: None }),
            gone: Condvar::new(),
            exit: watch::Sender::new(None),
            clock,
            time,
            clock_error: watch::Sender::new(None),
        }));
        let watched = child.clone();
        std::thread::Builder::new().name(format!("catnap-wait-{group}")).stack_size(256 * 1024).spawn(move || {
            let process = watched.let_through(paused, &program);
            watched.see_to_its_end(process, &guardian);
        })?;
        Ok(child)
    }

    /// Opens the gate and gives the process its clock. All tracing of a process is done by one thread.
    fn let_through(&self, paused: PausedChild, program: &Path) -> std::process::Child {
        if self.0.clock.is_none() {
            return paused.open();
        }
        let mut paused = paused;
        let moved = match self.0.time {
            ProcessTime::Lab => MovedClocks::ALL,
            ProcessTime::LabDates | ProcessTime::Machine => MovedClocks::DATES,
        };
        let set = set_clock(paused.pid(), program, moved, || paused.resume());
        if let Err(error) = set {
            self.0.clock_error.send_replace(Some(error));
        }
        paused.into_process()
    }

    /// Returns when it turned out that it could not be given its clock.
    pub(super) async fn clock_refused(&self) -> ClockError {
        let mut error = self.0.clock_error.subscribe();
        match error.wait_for(Option::is_some).await.ok().and_then(|error| error.clone()) {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Which time it lives in; the machine's, where the lab does too.
    pub(crate) fn time(&self) -> ProcessTime {
        if self.0.clock.is_some() { self.0.time } else { ProcessTime::Machine }
    }

    /// Interrupts its waits, so that it looks at its timers anew.
    pub(crate) fn wake(&self) {
        // The lock keeps it from being reaped meanwhile.
        let state = self.lock();
        if state.ours {
            wake(self.pid());
        }
    }

    fn see_to_its_end(&self, mut process: std::process::Child, guardian: &Guardian) {
        await_end(self.0.group);
        let mut state = self.lock();
        // What it may have started goes with it; until it is reaped the group's number is certainly its own.
        let _ = killpg(self.0.group, Signal::SIGKILL);
        guardian.end(self.0.group.as_raw());
        // Nobody tells it any more once it is reaped.
        state.used = cpu_time_of(self.pid());
        let exit = process.wait().map_or(Exit::Status(-1), Exit::from);
        state.ours = false;
        state.ports.clear();
        let message = if state.asked { format!("stopped, {exit}") } else { exit.to_string() };
        drop(state);
        self.0.history.record(Event::Process { name: self.0.name.clone(), message });
        self.0.exit.send_replace(Some(exit));
        self.0.gone.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Its name in the lab.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its process id, which is that of its process group too.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.0.group.as_raw()
    }

    /// The file that its output goes to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.0.log
    }

    /// The last lines of its output.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.0.log, lines)
    }

    /// Waits until it has ended.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.0.exit.subscribe();
        match exit.wait_for(Option::is_some).await.map(|exit| *exit) {
            Ok(Some(exit)) => exit,
            // Unreachable while `self` holds the sender.
            _ => std::future::pending().await,
        }
    }

    /// How it ended, or nothing while it runs.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.0.exit.borrow()
    }

    /// Whether its end was asked for by [`stop`](Self::stop) or [`kill`](Self::kill).
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.lock().asked
    }

    /// Asks it to end, kills it when its grace is over, and returns when it is gone.
    pub async fn stop(&self) -> Exit {
        self.lock().asked = true;
        self.signal(Signal::SIGTERM);
        // One that is paused would never hear of it.
        self.signal(Signal::SIGCONT);
        if let Ok(exit) = tokio::time::timeout(self.0.grace, self.exited()).await {
            return exit;
        }
        self.signal(Signal::SIGKILL);
        self.exited().await
    }

    /// Kills it with all it started and returns when it is gone.
    pub async fn kill(&self) -> Exit {
        self.kill_now();
        self.exited().await
    }

    /// Sends a signal to its process group; nothing happens where it is gone.
    pub fn signal(&self, signal: Signal) {
        // The lock keeps it from being reaped meanwhile, so the number cannot be a stranger's.
        let state = self.lock();
        if state.ours {
            let _ = killpg(self.0.group, signal);
        }
    }

    /// The memory that it holds, in bytes, where the system tells.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        memory_of(&self.pid().to_string())
    }

    /// What somebody else has to know of it for whom it works from here on.
    #[must_use]
    pub fn as_neighbour(&self) -> Neighbour {
        Neighbour {
            name: self.name().to_owned(),
            pid: self.pid(),
            log: self.log().to_owned(),
            log_begin: std::fs::metadata(self.log()).map_or(0, |log| log.len()),
            time: self.time(),
        }
    }

    /// The CPU time, user and system, that it has used so far, or had used when it ended, where the system tells. What it
    /// started counts for itself.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        // The lock keeps it from being reaped meanwhile, so the number cannot be a stranger's.
        let state = self.lock();
        if state.ours { cpu_time_of(self.pid()) } else { state.used }
    }

    pub(super) fn kill_now(&self) {
        self.lock().asked = true;
        self.signal(Signal::SIGKILL);
    }

    /// Blocks until it is gone, for at most `limit`.
    pub(super) fn block_until_gone(&self, limit: Duration) {
        let mut state = self.lock();
        self.0.gone.wait_while_for(&mut state, |state| state.ours, limit);
    }
}

/// Resident memory of a process in bytes, where the system tells it; `process` is its number or `self`.
pub(crate) fn memory_of(process: &str) -> Option<u64> {
    resident(&std::fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

/// The `VmRSS` line of `/proc/<pid>/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Blocks until the process has ended, and leaves it to be reaped.
#[cfg(target_os = "linux")]
fn await_end(process: Pid) {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(process), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {}
}

/// Where `waitid` is not at hand, one asks now and then whether it still runs. A process that has ended but is not
/// reaped still takes signals, so the state comes from `ps`.
#[cfg(not(target_os = "linux"))]
fn await_end(process: Pid) {
    loop {
        let state = std::process::Command::new("ps").args(["-o", "stat=", "-p", &process.to_string()]).output();
        let ended = state.is_ok_and(|state| {
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            state.is_empty() || state.starts_with('Z')
        });
        if ended {
            return;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tetcd\nVmRSS:\t   1234 kB\nThreads: 3\n"), Some(1_263_616));
        assert_eq!(resident("Name:\tetcd\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn an_exit_reads_as_the_end_of_a_sentence() {
        assert_eq!(Exit::Status(1).to_string(), "exited with status 1");
        assert_eq!(Exit::Signal(9).to_string(), "was ended by SIGKILL");
    }
}
