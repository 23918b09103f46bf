//! What happens in a run, and whoever listens to it. The run tells all of them the same events and knows none by name; the
//! command that starts it says who they are.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::progress::Line;
use super::scenario::{Facts, ScenarioId, ScenarioReport};

/// What a run is to do, as it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPlan {
    /// When it began, by the wall clock.
    pub started: Timestamp,
    /// What everything random is drawn from.
    pub seed: u64,
    /// What is known beforehand of how all scenarios run: component versions.
    pub facts: Facts,
    /// The command, up to `run`: `cargo run --release -- run`.
    pub command: String,
    /// The options that a repetition needs, besides the seed; quoted for a shell.
    pub options: Vec<String>,
    /// How many scenarios at a time.
    pub jobs: usize,
    /// Which, in the order in which they are to start.
    pub scenarios: Vec<ScenarioId>,
    /// Where the run's files go.
    pub artefacts: PathBuf,
}

/// Something that happened in a run. As JSON it is told apart by `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RunEvent {
    /// The scenarios are known and about to start.
    Planned {
        /// What is to be done.
        plan: RunPlan,
    },
    /// A scenario's process was started.
    Started {
        /// Which one.
        scenario: ScenarioId,
    },
    /// A scenario's process told something.
    Told {
        /// Which one.
        scenario: ScenarioId,
        /// What.
        told: Line,
    },
    /// A scenario ended.
    Finished {
        /// All that is known of it.
        report: Box<ScenarioReport>,
    },
    /// Something about the run as a whole that its user should know now.
    Notice {
        /// A line.
        text: String,
    },
    /// Nothing more will happen.
    Ended {
        /// When, by the wall clock.
        at: Timestamp,
        /// How many scenarios were not started.
        not_started: usize,
    },
}

/// Why a reporter could not tell what it heard: a line for the user.
pub type Untold = Box<dyn std::error::Error + Send + Sync>;

/// Tells a run to somebody: on a screen, in files. It hears every event in its order.
pub trait Reporter: Send {
    /// Takes note of what happened.
    ///
    /// # Errors
    /// When it could not tell what it has to. The run goes on, says so, and does not end well.
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold>;
}

impl<R: Reporter + ?Sized> Reporter for &mut R {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        (**self).hear(event)
    }
}

/// All who listen to a run. What one cannot tell is told by the others, as a notice.
pub struct Reporters<'a> {
    all: Vec<Box<dyn Reporter + 'a>>,
    untold: Option<Untold>,
}

impl<'a> Reporters<'a> {
    /// Events are heard in this order: what keeps them comes before what shows them.
    #[must_use]
    pub fn new(all: Vec<Box<dyn Reporter + 'a>>) -> Self {
        Self { all, untold: None }
    }

    /// Tells everybody.
    pub fn tell(&mut self, event: &RunEvent) {
        for at in 0..self.all.len() {
            let Err(error) = self.all[at].hear(event) else { continue };
            let notice = RunEvent::Notice { text: format!("warning: {error}") };
            for (_, other) in self.all.iter_mut().enumerate().filter(|(other, _)| *other != at) {
                // Whoever cannot tell that either is heard of by the next event.
                let _ = other.hear(&notice);
            }
            self.untold.get_or_insert(error);
        }
    }

    /// The first thing that somebody could not tell.
    #[must_use]
    pub fn into_untold(self) -> Option<Untold> {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;
    use std::time::Duration;

    fn events() -> Vec<RunEvent> {
        let scenario = ScenarioId::new("drift", "field::a::case_1");
        let mut facts = Facts::default();
        facts.set("zeta", "first");
        facts.set("alpha", "second");
        let report = ScenarioReport {
            id: scenario.clone(),
            place: Some(crate::source::SourcePlace { file: "suites/tests/drift/field.rs".into(), line: 7 }),
            verdict: Verdict::Failed { message: "no node".into(), body: "a\nstory".into() },
            started: Timestamp::UNIX_EPOCH,
            took: Duration::from_millis(12_345),
            facts: facts.clone(),
            costs: None,
            attachments: vec!["/run/drift.field.a.case_1/output.log".into()],
            output: "words".into(),
            repeat: "catnap run".into(),
        };
        vec![
            RunEvent::Planned {
                plan: RunPlan {
                    started: Timestamp::UNIX_EPOCH,
                    seed: u64::MAX,
                    facts,
                    command: "catnap run".into(),
                    options: vec!["--no-build".into()],
                    jobs: 2,
                    scenarios: vec![scenario.clone()],
                    artefacts: "/run".into(),
                },
            },
            RunEvent::Started { scenario: scenario.clone() },
            RunEvent::Told { scenario, told: Line::Step { text: "wait".into() } },
            RunEvent::Finished { report: Box::new(report) },
            RunEvent::Notice { text: "no more are started".into() },
            RunEvent::Ended { at: Timestamp::UNIX_EPOCH, not_started: 1 },
        ]
    }

    #[test]
    fn every_event_can_be_written_and_read_again() {
        for event in events() {
            let text = serde_json::to_string(&event).unwrap();
            assert!(text.starts_with(r#"{"event":""#) && !text.contains('\n'), "{text}");
            assert_eq!(serde_json::from_str::<RunEvent>(&text).unwrap(), event, "{text}");
        }
    }

    /// Notes what it hears, and may fail to tell of ends.
    struct Listener<'a> {
        heard: &'a mut Vec<RunEvent>,
        fails: bool,
    }

    impl Reporter for Listener<'_> {
        fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
            self.heard.push(event.clone());
            if self.fails && matches!(event, RunEvent::Finished { .. }) {
                Err("the disk is full".into())
            } else {
                Ok(())
            }
        }
    }

    #[test]
    fn what_one_cannot_tell_the_others_say_and_all_hear_everything() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let mut reporters = Reporters::new(vec![
            Box::new(Listener { heard: &mut first, fails: true }),
            Box::new(Listener { heard: &mut second, fails: false }),
        ]);
        events().iter().for_each(|event| reporters.tell(event));
        assert_eq!(reporters.into_untold().unwrap().to_string(), "the disk is full");
        assert_eq!(first, events());
        let mut expected = events();
        expected.insert(3, RunEvent::Notice { text: "warning: the disk is full".into() });
        assert_eq!(second, expected);
    }
}
