//! The one place where a child process comes into being.
//!
//! A child starts as a shell that waits at a gate: it reads a line from the harness before it becomes the program (it
//! *becomes* it, the process id stays). Between request and gate the guardian is told of it, and whoever wants to trace
//! it from its first instruction can attach. If the harness is killed meanwhile, the gate's pipe closes and the shell
//! ends: there is no moment at which a child is nobody's.
//!
//! Where `setpriv` can do it (Linux), the kernel is asked as well to kill the child when its parent goes, in case the
//! guardian was killed too. That wish is bound to the parent *thread*, so all children are born of one thread that
//! lives as long as the harness.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{OnceLock, mpsc};

use super::ChildSpec;
use child_clock::{INHERITED, TimePage};

const GATE: &str = r#"IFS= read -r open || exit 125; exec "$@" </dev/null"#;

/// The same for a child that is to have a clock of its own: what is in `$0` goes along. It is opened here, before the
/// child may go to a user namespace of its own, from which the harness's files cannot be reached.
fn gate_with_clock() -> String {
    format!(r#"IFS= read -r open || exit 125; exec {INHERITED}<"$0"; exec "$@" </dev/null"#)
}

/// A child that waits at its gate.
#[derive(Debug)]
pub(super) struct PausedChild {
    process: std::process::Child,
    gate: ChildStdin,
}

/// Starts the program of `spec` behind its gate, through `wrapper` (arguments that take the program's command line as
/// their last ones), in a process group of its own, with its output going to `log`.
/// Where it is to have a clock, the memory of its page is open in it.
pub(super) fn launch(
    spec: &ChildSpec,
    wrapper: &[OsString],
    log: &File,
    folder: &Path,
    clock: Option<&TimePage>,
) -> std::io::Result<PausedChild> {
    let mut command = Command::new("/bin/sh");
    match clock {
        Some(page) => command.args(["-c", &gate_with_clock(), &page.path()]),
        None => command.args(["-c", GATE, "catnap-gate"]),
    };
    command.args(wrapper);
    if let Some(setpriv) = setpriv() {
        command.arg(setpriv).args(["--pdeathsig", "KILL", "--"]);
    }
    command
        .arg(std::path::absolute(&spec.program)?)
        .args(&spec.arguments)
        .env_clear()
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    let mut process = spawn(command)?;
    match process.stdin.take() {
        Some(gate) => Ok(PausedChild { process, gate }),
        None => Err(std::io::ErrorKind::BrokenPipe.into()),
    }
}

impl PausedChild {
    /// The id of the process, and of its group.
    pub(super) fn pid(&self) -> i32 {
        // Process ids are below 2^22 on Linux and 100,000 on macOS.
        i32::try_from(self.process.id()).unwrap_or(i32::MAX)
    }

    /// Lets it become the program.
    pub(super) fn open(mut self) -> std::process::Child {
        self.resume();
        self.process
    }

    /// Lets it become the program, and keeps it.
    pub(super) fn resume(&mut self) {
        // A child that is gone already says so when it is waited for.
        let _ = self.gate.write_all(b"open\n");
    }

    /// The process, which was let through before.
    pub(super) fn into_process(self) -> std::process::Child {
        self.process
    }

    /// Turns it away.
    pub(super) fn abandon(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

type SpawnRequest = (Command, mpsc::SyncSender<std::io::Result<std::process::Child>>);

/// Spawns on the thread that lives as long as the harness.
fn spawn(command: Command) -> std::io::Result<std::process::Child> {
    static PARENT: OnceLock<mpsc::Sender<SpawnRequest>> = OnceLock::new();
    let parent = PARENT.get_or_init(|| {
        let (births, asked) = mpsc::channel::<SpawnRequest>();
        let thread = std::thread::Builder::new().name("catnap-parent".to_owned());
        // Without the thread nobody listens, which the first caller is told below.
        let _ = thread.spawn(move || {
            for (mut command, answer) in asked {
                let _ = answer.send(command.spawn());
            }
        });
        births
    });
    let (answer, born) = mpsc::sync_channel(1);
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    parent.send((command, answer)).map_err(|_| gone())?;
    born.recv().map_err(|_| gone())?
}

/// A `setpriv` that can set the parent-death signal: that of util-linux, not that of busybox.
fn setpriv() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            if !cfg!(target_os = "linux") {
                return None;
            }
            let path = tool("setpriv")?;
            let tried =
                Command::new(&path).args(["--pdeathsig", "KILL", "--", "/bin/sh", "-c", ":"]).env_clear().output();
            tried.is_ok_and(|tried| tried.status.success()).then_some(path)
        })
        .as_deref()
}

/// A program of the system, looked for where systems keep them and then on the harness's own search path.
pub(super) fn tool(name: &str) -> Option<PathBuf> {
    which::which_in(name, Some("/usr/bin:/bin:/usr/sbin:/sbin"), "/").or_else(|_| which::which(name)).ok()
}
