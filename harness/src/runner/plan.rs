//! A run: which scenarios, how many at a time, in which world; and its course.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::error::RunnerError;
use super::folder::{RunFolder, make_writable};
use super::list::Scenario;
use super::scenario_process::{self, News};
use crate::clock::ClockKind;
use crate::report::{Counts, Facts, Reporters, RunEvent, RunPlan, ScenarioId, ScenarioReport, Untold, Verdict};

/// Whether a run is to end before it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It goes on.
    #[default]
    NotYet,
    /// Nothing new starts; what runs cleans up.
    Graceful,
    /// What runs is killed.
    Immediate,
}

/// Whether the programs that clusters are made of are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// They are still being built: only scenarios without clusters may start.
    InTheMaking,
    /// They are.
    Ready,
    /// They are not to be had: no further scenario may start.
    Missing,
}

/// What a run is to do.
#[derive(Debug)]
pub struct Plan {
    /// The scenarios, in the order in which they start.
    pub scenarios: Vec<Scenario>,
    /// How many at a time.
    pub jobs: usize,
    /// How far the programs are that clusters are made of; `None` where nothing has to be built.
    pub parts: Option<watch::Receiver<Parts>>,
    /// What everything random is drawn from.
    pub seed: u64,
    /// Whether labs keep their folders.
    pub keep: bool,
    /// The target that labs are on, where the user said so.
    pub target: Option<String>,
    /// A provisioner's executable.
    pub provisioner: Option<PathBuf>,
    /// The provisioner's version.
    pub provisioner_version: Option<String>,
    /// The version of Kubernetes.
    pub kubernetes_version: Option<String>,
    /// How many labs may run on this machine at once, where the user said so.
    pub labs: Option<usize>,
    /// Which clock labs have, where the user said so.
    pub clock: Option<ClockKind>,
    /// For how long a scenario may wait in real time, where the user said so.
    pub patience: Option<Duration>,
    /// Whether each scenario makes control planes of its own.
    pub fresh_clusters: bool,
    /// The name under which those of earlier scenarios are lent; `None` where each scenario is on its own.
    pub lender: Option<String>,
    /// How long a scenario may take.
    pub timeout: Duration,
    /// How long a scenario that has to end may take to clean up.
    pub grace: Duration,
    /// Where the run's files go.
    pub folder: RunFolder,
    /// What is known beforehand of how all scenarios run: component versions.
    pub facts: Facts,
    /// The command that started this run, up to `run`: `cargo run --release -- run`.
    pub command: String,
    /// The options of this run that a repetition needs, besides the seed; quoted for a shell.
    pub options: Vec<String>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// The scenarios that ended, in the order in which they did.
    pub reports: Vec<ScenarioReport>,
    /// How many were not started, because the run was stopped or could not have run any.
    pub not_started: usize,
    /// How long it took.
    pub took: Duration,
    /// The first thing that a reporter could not tell.
    pub untold: Option<Untold>,
}

impl Outcome {
    /// 0 when all went well, 1 when a scenario failed, 2 when something could not be run or not be told.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match Counts::of(self.reports.iter().map(|report| &report.verdict)).exit_code() {
            0 if self.not_started > 0 || self.untold.is_some() => 2,
            code => code,
        }
    }
}

impl Plan {
    /// The command that runs the scenario `id` again with the same seed.
    #[must_use]
    pub fn repeat_command(&self, id: &ScenarioId) -> String {
        let mut command = format!("{} {} --seed {}", self.command, crate::report::quoted(&id.to_string()), self.seed);
        for option in &self.options {
            command.push(' ');
            command.push_str(option);
        }
        command
    }

    /// Runs all scenarios, or as many as it can before `stop`, and tells the reporters what happens.
    ///
    /// # Errors
    /// When the run's folder cannot be written; then nothing was started.
    pub async fn run(self, reporters: Reporters<'_>, stop: watch::Receiver<Stop>) -> Result<Outcome, RunnerError> {
        make_writable(self.folder.path())?;
        Ok(Execution::new(Arc::new(self), reporters, stop).go().await)
    }

    /// What is told of it as it begins.
    fn told(&self) -> RunPlan {
        RunPlan {
            started: Timestamp::now(),
            seed: self.seed,
            facts: self.facts.clone(),
            command: self.command.clone(),
            options: self.options.clone(),
            jobs: self.jobs.clamp(1, self.scenarios.len().max(1)),
            scenarios: self.scenarios.iter().map(|scenario| scenario.id.clone()).collect(),
            artefacts: self.folder.path().to_path_buf(),
        }
    }

    fn ignored(&self, scenario: &Scenario) -> ScenarioReport {
        let mut facts = self.facts.clone();
        facts.set("seed", self.seed.to_string());
        ScenarioReport {
            id: scenario.id.clone(),
            place: scenario.source.as_ref().map(|source| source.place.clone()),
            verdict: Verdict::Skipped { reason: "its suite marks it with #[ignore]".to_owned() },
            started: Timestamp::now(),
            took: Duration::ZERO,
            facts,
            costs: None,
            attachments: Vec::new(),
            output: String::new(),
            repeat: self.repeat_command(&scenario.id),
        }
    }
}

/// Waits until there is news of the programs, also that nobody makes them any more.
async fn news_of(parts: Option<&mut watch::Receiver<Parts>>) {
    match parts {
        Some(parts) => drop(parts.changed().await),
        None => std::future::pending().await,
    }
}

/// Waits until the run is to end.
async fn asked_to(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|stop| *stop != Stop::NotYet).await.is_err() {
        std::future::pending().await
    }
}

/// A run on its way.
struct Execution<'a> {
    plan: Arc<Plan>,
    reporters: Reporters<'a>,
    stop: watch::Receiver<Stop>,
    waiting: VecDeque<Scenario>,
    running: JoinSet<ScenarioReport>,
    news: (mpsc::UnboundedSender<News>, mpsc::UnboundedReceiver<News>),
    reports: Vec<ScenarioReport>,
    /// Scenarios cannot be run here.
    hopeless: bool,
}

impl<'a> Execution<'a> {
    fn new(plan: Arc<Plan>, reporters: Reporters<'a>, stop: watch::Receiver<Stop>) -> Self {
        let waiting = plan.scenarios.iter().cloned().collect();
        let news = mpsc::unbounded_channel();
        let running = JoinSet::new();
        Self { plan, reporters, stop, waiting, running, news, reports: Vec::new(), hopeless: false }
    }

    async fn go(mut self) -> Outcome {
        let clock = Instant::now();
        self.reporters.tell(&RunEvent::Planned { plan: self.plan.told() });
        let (mut parts, mut stop) = (self.plan.parts.clone(), self.stop.clone());
        loop {
            self.fill();
            let waits_for_parts = self.waits_for_parts();
            if self.running.is_empty() && !waits_for_parts {
                break;
            }
            tokio::select! {
                // What a scenario told comes before that it ended.
                biased;
                Some(news) = self.news.1.recv() => self.pass_on(news),
                Some(ended) = self.running.join_next() => match ended {
                    Ok(report) => {
                        while let Ok(news) = self.news.1.try_recv() {
                            self.pass_on(news);
                        }
                        self.finish(report);
                    }
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = news_of(parts.as_mut()), if waits_for_parts => {}
                () = asked_to(&mut stop), if waits_for_parts => {}
            }
        }
        let (took, not_started) = (clock.elapsed(), self.waiting.len());
        self.reporters.tell(&RunEvent::Ended { at: Timestamp::now(), not_started });
        Outcome { reports: self.reports, not_started, took, untold: self.reporters.into_untold() }
    }

    /// Starts what may start.
    fn fill(&mut self) {
        let jobs = self.plan.jobs.max(1);
        while self.running.len() < jobs && *self.stop.borrow() == Stop::NotYet && !self.hopeless {
            let Some(scenario) = self.next() else { return };
            if scenario.ignored {
                let report = self.plan.ignored(&scenario);
                self.finish(report);
            } else {
                // Our receiver has not seen a change yet, so its clone learns of a stop that comes in between.
                let (plan, stop, news) = (self.plan.clone(), self.stop.clone(), self.news.0.clone());
                self.running.spawn(scenario_process::run(plan, scenario, stop, news));
            }
        }
    }

    fn parts(&self) -> Parts {
        let Some(parts) = &self.plan.parts else { return Parts::Ready };
        match (*parts.borrow(), parts.has_changed()) {
            // Whoever made them has ended without a word.
            (Parts::InTheMaking, Err(_)) => Parts::Missing,
            (parts, _) => parts,
        }
    }

    /// Takes the next scenario that may start.
    fn next(&mut self) -> Option<Scenario> {
        match self.parts() {
            Parts::Ready => self.waiting.pop_front(),
            Parts::InTheMaking => {
                let at = self.waiting.iter().position(|scenario| scenario.ignored || scenario.azure_only())?;
                self.waiting.remove(at)
            }
            Parts::Missing => None,
        }
    }

    /// Whether scenarios start once there are programs for their clusters.
    fn waits_for_parts(&self) -> bool {
        let goes_on = *self.stop.borrow() == Stop::NotYet && !self.hopeless;
        goes_on && !self.waiting.is_empty() && self.parts() == Parts::InTheMaking
    }

    fn pass_on(&mut self, news: News) {
        self.reporters.tell(&match news {
            News::Started(scenario) => RunEvent::Started { scenario },
            News::Told(scenario, told) => RunEvent::Told { scenario, told },
        });
    }

    fn finish(&mut self, report: ScenarioReport) {
        self.reporters.tell(&RunEvent::Finished { report: Box::new(report.clone()) });
        self.reports.push(report);
        let cannot = |report: &ScenarioReport| matches!(report.verdict, Verdict::CouldNotRun { .. });
        if !self.hopeless && !self.waiting.is_empty() && self.reports.iter().all(cannot) {
            // What the first lacks all lack; nobody wants to read it seventy times.
            self.hopeless = true;
            let text = "scenarios cannot be run here: no more are started".to_owned();
            self.reporters.tell(&RunEvent::Notice { text });
        }
    }
}
