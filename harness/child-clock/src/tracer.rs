//! Stopping a child at its `exec`.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::ClockError;
use super::code::MovedClocks;
use super::vdso_patch::patch_vdso;

/// Gives a child the clock of the page that it was started with. `open` lets it go on
/// from where it waits, on its way to becoming `program`, possibly through other programs; the clocks that are `moved` show
/// the page's time from then on. Blocks until it has become
/// that, and then no longer traces it; a child that ends before is left to be reaped.
///
/// A `program` that is a script gets the page's clock with its interpreter, and again with what it becomes (`exec`);
/// what it only starts lives in the machine's time.
pub fn set_clock(pid: i32, program: &Path, moved: MovedClocks, open: impl FnOnce()) -> Result<(), ClockError> {
    let pid = Pid::from_raw(pid);
    // Should this thread end meanwhile, the child would wait for ever.
    let seized = ptrace::seize(pid, Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL);
    open();
    seized.map_err(|error| ClockError::refused("ptrace, attaching", error))?;
    let mut script = Script::of(program);
    while let Some(status) = next_stop(pid)? {
        let pass = match status {
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_EXEC) => {
                if script.becomes(pid, program) {
                    patch_vdso(pid, moved, script.is_over())?;
                    if script.is_over() {
                        return detach(pid);
                    }
                }
                None
            }
            WaitStatus::Stopped(_, signal) => Some(signal),
            _ => None,
        };
        match ptrace::cont(pid, pass) {
            // Killed meanwhile.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(ClockError::refused("ptrace, going on", error)),
        }
    }
    Ok(())
}

fn detach(pid: Pid) -> Result<(), ClockError> {
    match ptrace::detach(pid, None) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(ClockError::refused("ptrace, detaching", error)),
    }
}

/// The next stop of a traced child; `None` where it ended, which is left for others to see.
fn next_stop(pid: Pid) -> Result<Option<WaitStatus>, ClockError> {
    let any = WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::__WALL;
    loop {
        match waitid(Id::Pid(pid), any | WaitPidFlag::WNOWAIT) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Ok(None),
            Ok(_) => match waitpid(pid, Some(WaitPidFlag::__WALL)) {
                // It was killed between the two looks, and is reaped now: whoever waits for it is told by ECHILD.
                Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(Errno::ECHILD) => return Ok(None),
                Ok(status) => return Ok(Some(status)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(ClockError::refused("waitpid", error)),
            },
            Err(Errno::EINTR) => {}
            Err(Errno::ECHILD) => return Ok(None),
            Err(error) => return Err(ClockError::refused("waitid", error)),
        }
    }
}

/// How far a child came on its way to its program.
enum Script {
    /// The program is no script.
    No,
    /// It is one; its interpreter has not begun yet.
    Coming,
    /// Its interpreter runs.
    Running,
    /// It has become something else.
    Over,
}

impl Script {
    fn of(program: &Path) -> Self {
        let mut begin = [0; 2];
        let read = std::fs::File::open(program).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut begin));
        if read.is_ok() && &begin == b"#!" { Self::Coming } else { Self::No }
    }

    /// Whether an `exec` brought the program, or what the program becomes.
    fn becomes(&mut self, pid: Pid, program: &Path) -> bool {
        match self {
            Self::No => same_file(&format!("/proc/{pid}/exe"), program),
            Self::Coming => {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                // `interpreter [argument] program …`; what comes before it has it further behind.
                let begun =
                    line.split(|&byte| byte == 0).take(3).any(|word| word == program.as_os_str().as_encoded_bytes());
                if begun {
                    *self = Self::Running;
                }
                matches!(self, Self::Running)
            }
            Self::Running => {
                *self = Self::Over;
                true
            }
            Self::Over => true,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::No | Self::Over)
    }
}

fn same_file(one: &str, other: &Path) -> bool {
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) => one.dev() == other.dev() && one.ino() == other.ino(),
        _ => false,
    }
}
