//! The guardian: a small shell process that outlives the harness for a moment, to end what the harness started.
//!
//! It holds the reading end of a pipe whose only writing end is in the harness. However the harness ends, the kernel
//! closes that end; the guardian then kills the process groups it was told of, removes the temporary folder that it is
//! over and ends too. It is in a process group of its own and ignores what a terminal sends, so neither Ctrl-C nor a hang-up
//! reaches it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use parking_lot::Mutex;

/// Reads `start GROUP` and `end GROUP` lines until the pipe closes. A killed process takes a moment to be gone, and
/// until then may still write into the folder, so both are tried again, the folder for up to five seconds. In containers
/// without an init that reaps, the killed never go altogether; after half a second the folder is what counts.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM PIPE
PATH=/usr/sbin:/usr/bin:/sbin:/bin
groups=' '
while IFS=' ' read -r verb group; do
  case $verb in
    start) groups="$groups$group " ;;
    end) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
  esac
done
attempt=0
while [ $attempt -lt 100 ]; do
  left=
  for group in $groups; do
    kill -9 "-$group" 2>/dev/null && left=1
  done
  rm -rf "$1" 2>/dev/null
  [ $attempt -ge 10 ] && left=
  [ -z "$left" ] && [ ! -e "$1" ] && exit 0
  attempt=$((attempt + 1))
  sleep 0.05 2>/dev/null || sleep 1
done
"#;

/// A handle on a guardian.
#[derive(Debug)]
pub struct Guardian {
    pipe: Mutex<Option<ChildStdin>>,
    process: Mutex<std::process::Child>,
}

impl Guardian {
    /// Starts a guardian over a folder, which may not exist yet. With no folder (an empty path) it removes nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn over(folder: &Path) -> std::io::Result<Self> {
        let mut process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "catnap-guardian"])
            .arg(folder)
            .env_clear()
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = process.stdin.take();
        Ok(Self { pipe: Mutex::new(pipe), process: Mutex::new(process) })
    }

    /// The group is to be killed if the harness goes.
    ///
    /// # Errors
    /// When the guardian is gone.
    pub fn start(&self, group: i32) -> std::io::Result<()> {
        self.tell(&format!("start {group}\n"))
    }

    /// The group is gone, its number may soon be someone else's.
    pub fn end(&self, group: i32) {
        // A guardian that is gone will not kill anyone.
        let _ = self.tell(&format!("end {group}\n"));
    }

    fn tell(&self, line: &str) -> std::io::Result<()> {
        match &mut *self.pipe.lock() {
            Some(pipe) => pipe.write_all(line.as_bytes()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Lets the guardian do what is left to do, and waits until it is gone.
    pub fn dismiss(&self) {
        drop(self.pipe.lock().take());
        let _ = self.process.lock().wait();
    }
}
