//! Keeps a build from outliving us. Go and cargo start compilers and linkers of their own, so their whole process group is
//! told to a guardian of its own, which ends it when we end and removes the scratch folder, where there is one.

use std::io;
use std::path::Path;

use tokio::process::{Child, Command};

mod guardian;

pub use guardian::Guardian;

/// Holds one process group at a time. Dropping it ends what it holds and removes its folder.
#[derive(Debug)]
pub struct Leash {
    guardian: Guardian,
    held: Option<i32>,
}

impl Leash {
    /// A leash that removes nothing.
    ///
    /// # Errors
    /// When its guardian cannot be started.
    pub fn new() -> io::Result<Self> {
        Self::over(Path::new(""))
    }

    /// A leash that will remove `scratch`.
    ///
    /// # Errors
    /// When its guardian cannot be started.
    pub fn over(scratch: &Path) -> io::Result<Self> {
        Ok(Self { guardian: Guardian::over(scratch)?, held: None })
    }

    /// Starts a command in a process group of its own, which is to go with us from then on.
    ///
    /// # Errors
    /// When it cannot be started, or the guardian is gone.
    pub fn spawn(&mut self, command: &mut Command) -> io::Result<Child> {
        let child = command.process_group(0).kill_on_drop(true).spawn()?;
        if let Some(group) = child.id() {
            self.hold(group.cast_signed())?;
        }
        Ok(child)
    }

    fn hold(&mut self, group: i32) -> io::Result<()> {
        self.held = Some(group);
        self.guardian.start(group)
    }

    /// The group has ended; its number may soon be someone else's.
    pub fn release(&mut self) {
        if let Some(group) = self.held.take() {
            self.guardian.end(group);
        }
    }

    /// Ends what it holds, removes the folder, and waits until that is done.
    pub async fn finish(self) {
        // Only a runtime that ends does not see this through, and then the guardian goes on by itself.
        let _ = tokio::task::spawn_blocking(move || self.guardian.dismiss()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

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
        leash.hold(child.id().unwrap().cast_signed()).unwrap();
        leash.finish().await;
        child.stdout.take().unwrap().read_to_end(&mut Vec::new()).await.unwrap();
        assert!(!child.wait().await.unwrap().success());
        assert!(!scratch.exists());
    }

    #[tokio::test]
    async fn what_was_released_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut leash = Leash::over(&folder.path().join("scratch")).unwrap();
        let mut child =
            Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        leash.hold(child.id().unwrap().cast_signed()).unwrap();
        leash.release();
        leash.finish().await;
        child.stdin.take().unwrap().write_all(b"go\n").await.unwrap();
        assert!(child.wait().await.unwrap().success());
    }
}
