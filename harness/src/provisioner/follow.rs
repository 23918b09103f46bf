//! Follows the provisioner's log file while it is written and records each line in the history.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::log_line::LogReader;
use crate::history::{Event, History};

/// Between two looks. Nothing tells of a file's growth on all platforms; a line may be this old when it is recorded.
const PAUSE: Duration = Duration::from_millis(20);

/// A log being followed.
#[derive(Debug)]
pub(super) struct Follower {
    enough: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Follows `log` from its present end.
    pub(super) fn follow(log: &Path, history: History) -> Self {
        let from = std::fs::metadata(log).map_or(0, |found| found.len());
        let (enough, until) = oneshot::channel();
        let task = tokio::spawn(run(log.to_owned(), from, history, until));
        Self { enough: Some(enough), task }
    }

    /// Records what is there and stops.
    pub(super) async fn finish(mut self) {
        drop(self.enough.take());
        let _ = (&mut self.task).await;
    }
}

async fn run(log: PathBuf, from: u64, history: History, mut until: oneshot::Receiver<()>) {
    let mut reader = LogReader::default();
    let mut file = None;
    let mut rest = Vec::new();
    let mut last = false;
    let record = |events: Vec<Event>| {
        for event in events {
            history.record(event);
        }
    };
    loop {
        // What was read before an error counts; the rest comes with the next look.
        let _ = read_on(&mut file, &log, from, &mut rest);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            record(reader.read(&String::from_utf8_lossy(&line)));
        }
        if last {
            // A process that was killed may leave half a line.
            record(reader.read(&String::from_utf8_lossy(&rest)));
            return record(reader.finish().into_iter().collect());
        }
        tokio::select! {
            _ = &mut until => last = true,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

/// Reads what was added since the last time. The file stays open: to open it fifty times a second in each lab costs more
/// than everything else that an idle lab does in this process. It is a few bytes of a local file, which nobody waits for.
fn read_on(file: &mut Option<File>, log: &Path, from: u64, rest: &mut Vec<u8>) -> std::io::Result<usize> {
    let open = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        std::io::Result::Ok(file)
    };
    let file = match file {
        Some(file) => file,
        None => file.insert(open()?),
    };
    file.read_to_end(rest)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use crate::clock::LabClock;

    use super::*;

    #[tokio::test]
    async fn a_log_is_recorded_as_it_grows_and_to_its_last_half_line() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        writeln!(file, "an earlier run").expect("written");
        let history = History::new(LabClock::real(), None).expect("history");
        let follower = Follower::follow(file.path(), history.clone());
        let mut changes = history.changes();
        write!(file, "{{\"level\":\"INFO\",\"message\":\"one\"}}\n{{\"level\":").expect("written");
        changes.wait_for(|length| *length == 1).await.expect("recorded");
        write!(file, "\"INFO\",\"message\":\"two\"}}\nhalf").expect("written");
        changes.wait_for(|length| *length == 2).await.expect("recorded");
        follower.finish().await;
        let messages: Vec<String> = history
            .since(0)
            .iter()
            .filter_map(|record| match &record.event {
                Event::Provisioner { message, .. } => Some(message.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(messages, ["one", "two", "half"]);
    }
}
