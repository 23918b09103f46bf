//! What happens in a run, as told to whoever shows it.

use std::path::Path;

use super::progress::Line;
use super::scenario::{ScenarioId, ScenarioReport};

/// Something that happened in a run.
#[derive(Debug, Clone, Copy)]
pub enum RunEvent<'a> {
    /// The scenarios are known and about to start.
    Planned {
        /// How many.
        scenarios: usize,
        /// How many at a time.
        jobs: usize,
        /// What everything random is drawn from.
        seed: u64,
        /// Where the run's files go.
        artefacts: &'a Path,
    },
    /// A scenario's process was started.
    Started(&'a ScenarioId),
    /// A scenario's process told something.
    Told(&'a ScenarioId, &'a Line),
    /// A scenario ended.
    Finished(&'a ScenarioReport),
    /// Something about the run as a whole that its user should know now.
    Notice(&'a str),
    /// Nothing more will happen.
    Ended,
}

/// Shows a run while it goes on.
pub trait Display: Send {
    /// Takes note of what happened.
    fn show(&mut self, event: RunEvent<'_>);
}
