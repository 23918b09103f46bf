//! One ordered, append-only record of everything seen in a lab. Assertions, the live display, reports and failure
//! messages are readers of it.

mod azure;
mod event;
mod file;
mod moves;
mod timeline;
mod unseen;

pub use azure::{AzureEvent, AzureRequest, AzureStream, Machine, MachineChange, MachineStop, ResourceChange};
pub use event::{BootStage, Change, Event, Record};
pub use file::{ReadError, read};
pub use moves::{Stretch, stretches, what_ended};
pub use timeline::{Teller, TimelineEntry, entries, timeline};
pub(crate) use unseen::Unseen;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::LabClock;

/// A handle on the record of one lab. Clones share it.
#[derive(Debug, Clone)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: LabClock,
    records: Mutex<Log>,
    length: watch::Sender<usize>,
    unseen: unseen::Kinds,
    azure_stream: OnceLock<AzureStream>,
}

#[derive(Debug)]
struct Log {
    records: Vec<Arc<Record>>,
    file: Option<BufWriter<File>>,
}

impl History {
    /// An empty history that takes cluster time from `clock` and, where `file` is given, writes each record there as
    /// one line of JSON as it comes, behind a first line with the version of the format.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn new(clock: LabClock, file: Option<&Path>) -> std::io::Result<Self> {
        let mut file = file.map(File::create).transpose()?.map(BufWriter::new);
        if let Some(file) = &mut file {
            file::write_header(&mut *file)?;
            file.flush()?;
        }
        Ok(Self(Arc::new(Inner {
            clock,
            records: Mutex::new(Log { records: Vec::new(), file }),
            length: watch::Sender::new(0),
            unseen: unseen::Kinds::default(),
            azure_stream: OnceLock::new(),
        })))
    }

    /// Appends an event. Never blocks on readers; a disk that is full loses the file, not the record in memory.
    pub fn record(&self, event: Event) -> Arc<Record> {
        let record = self.append(event, None);
        if record.event.is_news() {
            self.0.clock.news();
        }
        record
    }

    /// Appends that an object, which is as it was `before`, gave a sign of life. That is no reason for the lab to go on in
    /// real time, and days are full of it: the file holds the object as it is `now`, the record in memory shares the one
    /// that is held already.
    pub(crate) fn record_sign_of_life(&self, kind: &str, before: &Arc<Value>, now: Value) {
        let event = |object| Event::Kube { kind: kind.to_owned(), change: Change::Applied, object };
        self.append(event(Arc::new(now)), Some(event(Arc::clone(before))));
    }

    /// Appends an event; `held` is what memory is to hold instead.
    fn append(&self, event: Event, held: Option<Event>) -> Arc<Record> {
        let mut log = self.0.records.lock();
        let mut record =
            Record { sequence: log.records.len() as u64 + 1, at: self.0.clock.now(), wall: Timestamp::now(), event };
        if let Some(file) = &mut log.file {
            let written = serde_json::to_writer(&mut *file, &record)
                .map_err(std::io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .and_then(|()| file.flush());
            if let Err(error) = written {
                tracing::warn!(%error, "the history file is incomplete from here on");
                log.file = None;
            }
        }
        if let Some(held) = held {
            record.event = held;
        }
        let record = Arc::new(record);
        log.records.push(Arc::clone(&record));
        let length = log.records.len();
        drop(log);
        self.0.length.send_replace(length);
        record
    }

    /// All records from position `from` (0-based) on.
    #[must_use]
    pub fn since(&self, from: usize) -> Vec<Arc<Record>> {
        let log = self.0.records.lock();
        log.records.get(from..).map(<[_]>::to_vec).unwrap_or_default()
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        *self.0.length.borrow()
    }

    /// Whether nothing has been recorded yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A receiver that is told the new length after each record.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<usize> {
        self.0.length.subscribe()
    }

    /// What happens to objects of `kind` is not seen while the result lives. Nothing is judged then, and time is not moved.
    pub(crate) fn unseen(&self, kind: &'static str) -> Unseen {
        self.0.unseen.add(kind, self.0.clock.hold())
    }

    /// What happened elsewhere is still to be recorded while `behind` says so. Nothing is judged then.
    pub(crate) fn behind_while(&self, behind: impl Fn() -> bool + Send + Sync + 'static) {
        self.0.unseen.behind_while(Box::new(behind));
    }

    /// Waits in real time until everything is seen, at most for `patience` and while `go_on` says so.
    ///
    /// # Errors
    /// The kinds that still are not seen.
    pub(crate) fn wait_until_seen(&self, patience: Duration, go_on: impl Fn() -> bool) -> Result<(), String> {
        self.0.unseen.wait(patience, go_on)
    }

    /// What becomes of Azure is only seen by asking from here on. Said once, by the lab's target.
    pub(crate) fn azure_is_polled(&self) {
        let _ = self.0.azure_stream.set(AzureStream::Polled);
    }

    /// How what becomes of Azure is seen.
    #[must_use]
    pub fn azure_stream(&self) -> AzureStream {
        self.0.azure_stream.get().copied().unwrap_or_default()
    }

    /// The time of the lab.
    #[must_use]
    pub fn clock(&self) -> &LabClock {
        &self.0.clock
    }

    /// The present moment of the lab.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}
