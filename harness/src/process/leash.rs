//! Keeps a build from outliving us. Go and cargo start compilers and linkers of their own, so their whole process group is
//! held on a leash: a small shell that reads from a pipe whose only writing end is here. However we end, kill -9 included,
//! the kernel closes that end; the shell then kills the group and removes the scratch folder, where there is one.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

/// Each line names the group that runs now, or `none`. A killed process takes a moment to be gone and may still write
/// into the folder until then, hence the repeats. In containers without an init that reaps, the killed never go
/// altogether; after half a second the folder is what counts.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM PIPE
PATH=/usr/sbin:/usr/bin:/sbin:/bin
group=none
while IFS= read -r line; do group=$line; done
attempt=0
while [ $attempt -lt 100 ]; do
  left=
  if [ "$group" != none ] && kill -9 "-$group" 2>/dev/null; then left=1; fi
  rm -rf "$1" 2>/dev/null
  [ $attempt -ge 10 ] && left=
  [ -z "$left" ] && [ ! -e "$1" ] && exit 0
  attempt=$((attempt + 1))
  sleep 0.05 2>/dev/null || sleep 1
done
"#;

/// Dropping it ends what it holds and removes its folder.
#[derive(Debug)]
pub(crate) struct Leash {
    pipe: ChildStdin,
    shell: Child,
}

impl Leash {
    /// A leash that removes nothing.
    pub(crate) fn new() -> io::Result<Self> {
        Self::over(Path::new(""))
    }

    /// A leash that will remove `scratch`.
    pub(crate) fn over(scratch: &Path) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "catnap-leash"])
            .arg(scratch)
            .env_clear()
            .current_dir("/")
            // Ctrl-C in a terminal goes to our group; the shell must live through it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { pipe, shell })
    }

    /// Starts a command in a process group of its own, which is to go with us from then on.
    pub(crate) async fn spawn(&mut self, command: &mut Command) -> io::Result<Child> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        if let Some(group) = child.id() {
            self.hold(group).await?;
        }
        Ok(child)
    }

    async fn hold(&mut self, group: u32) -> io::Result<()> {
        self.pipe.write_all(format!("{group}\n").as_bytes()).await
    }

    /// The group has ended; its number may soon be someone else's.
    pub(crate) async fn release(&mut self) {
        // A shell that is gone will not kill anyone.
        let _ = self.pipe.write_all(b"none\n").await;
    }

    /// Removes the folder and waits until that is done.
    pub(crate) async fn finish(mut self) {
        drop(self.pipe);
        let _ = self.shell.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn what_is_on_the_leash_goes_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let mut leash = Leash::over(&scratch).unwrap();
        // The end of its output says that nobody of the group is left to write.
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & wait"])
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let group = child.id().unwrap();
        leash.hold(group).await.unwrap();
        let Leash { pipe, mut shell } = leash;
        drop(pipe);
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
        shell.wait().await.unwrap();
        assert!(!scratch.exists());
    }

    #[tokio::test]
    async fn what_was_released_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut leash = Leash::over(&folder.path().join("scratch")).unwrap();
        let mut child =
            Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        leash.hold(child.id().unwrap()).await.unwrap();
        leash.release().await;
        leash.finish().await;
        child.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
        assert!(child.wait().await.unwrap().success());
    }
}
