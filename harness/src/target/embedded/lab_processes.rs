//! Whose rest counts when a lab's time is to be moved.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::ClockSubjects;
use crate::cluster::Heartbeat;
use crate::history::{Event, History};
use crate::process::{Child, Neighbour, ProcessTime, Processes};
use parking_lot::Mutex;

/// The lab's processes and threads.
pub(super) struct LabProcesses {
    pub(super) processes: Processes,
    /// The kernel's numbers of the threads that the lab's own work is done on.
    pub(super) threads: Arc<Mutex<Vec<i32>>>,
    pub(super) history: History,
}

impl LabProcesses {
    /// The processes that live in a time for which this holds.
    fn pids(&self, lives: impl Fn(ProcessTime) -> bool) -> Vec<i32> {
        let own = self.processes.running();
        let own = own.iter().map(|child| (child.time(), child.pid()));
        let neighbours = self.processes.neighbours();
        let all = own.chain(neighbours.iter().map(|other| (other.time, other.pid)));
        all.filter(|(time, _)| lives(*time)).map(|(_, pid)| pid).collect()
    }
}

impl ClockSubjects for LabProcesses {
    fn moved(&self) -> Vec<i32> {
        self.pids(|time| time != ProcessTime::Machine)
    }

    fn real(&self) -> Vec<i32> {
        self.pids(|time| time == ProcessTime::Machine)
    }

    fn threads(&self) -> Vec<i32> {
        self.threads.lock().clone()
    }

    fn longest_silence(&self) -> Duration {
        Heartbeat::UNHURRIED.longest_silence()
    }

    fn signs_of_life_every(&self) -> Duration {
        Heartbeat::UNHURRIED.renewal()
    }

    fn wake(&self) {
        self.processes.running().iter().filter(|child| child.time() == ProcessTime::Lab).for_each(Child::wake);
        self.processes.neighbours().iter().filter(|other| other.time == ProcessTime::Lab).for_each(Neighbour::wake);
    }

    fn went_by(&self, moved: Duration, moves: u32) {
        self.history.record(Event::Clock { seconds: moved.as_secs_f64(), moves });
    }
}
