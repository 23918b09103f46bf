//! One scenario as a process: started in a process group of its own, listened to, ended in time, judged.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Duration, MissedTickBehavior};

use super::exit_status::{Ending, judge};
use super::list::Scenario;
use super::plan::{Plan, Stop};
use crate::coverage::claims_of;
use crate::report::{
    Costs, Line, OutputTail, ProgressReader, ScenarioEnvironment, ScenarioId, ScenarioReport, Verdict, environment,
};
use workspace::variables_of_cargo_run;

/// How often the scenario's lines are looked for. They are for people to watch, so a moment's delay costs nothing; the
/// end of the process is awaited and not polled.
const LOOK: Duration = Duration::from_millis(100);

/// What a running scenario tells the run.
pub(super) enum News {
    /// Its process is there.
    Started(ScenarioId),
    /// It told something.
    Told(ScenarioId, Line),
}

/// Runs a scenario to its end.
pub(super) async fn run(
    plan: Arc<Plan>,
    scenario: Scenario,
    mut stop: watch::Receiver<Stop>,
    news: mpsc::UnboundedSender<News>,
) -> ScenarioReport {
    let folder = plan.folder.scenario(&scenario.id);
    let output = folder.join("output.log");
    let mut listener = Listener::new(scenario.id.clone(), folder.join("progress.jsonl"), &plan, news);
    let started = Timestamp::now();
    let clock = Instant::now();

    let ending = match start(&plan, &scenario, &folder, &output) {
        Ok(mut process) => {
            let _ = listener.news.send(News::Started(scenario.id.clone()));
            process.watch(&plan, &mut stop, &mut listener).await
        }
        Err(error) => Ending::NotStarted(error),
    };
    listener.listen();

    let tail = OutputTail::of_file(&output);
    let verdict = judge(&ending, listener.verdict, listener.step.as_deref(), &tail);
    let useful = match &verdict {
        Verdict::Passed { .. } | Verdict::KnownFault { .. } | Verdict::Skipped { .. } => false,
        // A test that returns an error has it printed by libtest.
        Verdict::Failed { body, .. } => !body.contains(tail.text().trim_start_matches("Error: ")),
        Verdict::CouldNotRun { .. } => true,
    };
    let mut attachments: Vec<PathBuf> = vec![output];
    attachments.extend(listener.attachments.into_iter().map(|path| folder.join(path)));
    attachments.retain(|path| path.exists());
    attachments.dedup();
    let claims = claims_of(scenario.doc()).join(", ");
    if !claims.is_empty() {
        listener.facts.set("claims", claims);
    }
    ScenarioReport {
        repeat: plan.repeat_command(&scenario.id),
        id: scenario.id,
        place: scenario.source.map(|source| source.place),
        verdict,
        started,
        took: clock.elapsed(),
        facts: listener.facts,
        costs: listener.costs,
        attachments,
        output: if useful { tail.text().to_owned() } else { String::new() },
    }
}

/// Collects what a scenario tells and passes it on.
struct Listener {
    id: ScenarioId,
    reader: ProgressReader,
    news: mpsc::UnboundedSender<News>,
    step: Option<String>,
    verdict: Option<Verdict>,
    facts: crate::report::Facts,
    costs: Option<Costs>,
    attachments: Vec<PathBuf>,
}

impl Listener {
    fn new(id: ScenarioId, file: PathBuf, plan: &Plan, news: mpsc::UnboundedSender<News>) -> Self {
        let mut facts = plan.facts.clone();
        facts.set("seed", plan.seed.to_string());
        let reader = ProgressReader::new(file);
        Self { id, reader, news, step: None, verdict: None, facts, costs: None, attachments: Vec::new() }
    }

    fn listen(&mut self) {
        for line in self.reader.read() {
            match &line {
                Line::Step { text } => self.step = Some(text.clone()),
                Line::Counts { .. } => {}
                Line::Fact { name, value } => self.facts.set(name, value),
                Line::Attachment { path } => self.attachments.push(path.clone()),
                Line::Costs(costs) => self.costs = Some(costs.clone()),
                Line::Verdict { is } => self.verdict = Some(is.clone()),
            }
            let _ = self.news.send(News::Told(self.id.clone(), line));
        }
    }
}

/// A started scenario. Dropped while it still runs, it takes its process group with it.
struct ScenarioProcess {
    child: Child,
    group: Pid,
    /// Held, never written: when it closes, because we are gone, the scenario knows.
    _lifeline: Option<ChildStdin>,
}

impl Drop for ScenarioProcess {
    fn drop(&mut self) {
        // Whatever the scenario left in its group. The group's number cannot have been given to others while anything
        // is left in it, and numbers are not given anew so soon after.
        let _ = killpg(self.group, Signal::SIGKILL);
    }
}

fn start(plan: &Plan, scenario: &Scenario, folder: &Path, output: &Path) -> Result<ScenarioProcess, String> {
    let progress = folder.join("progress.jsonl");
    let file = empty(folder)
        .and_then(|()| File::create(output))
        .and_then(|file| Ok((file.try_clone()?, file)))
        .map_err(|error| format!("failed to prepare the scenario's folder {}: {error}", folder.display()))?;

    let mut command = Command::new(&scenario.executable);
    command.args(["--exact", scenario.id.name(), "--nocapture", "--test-threads=1"]);
    command.stdin(Stdio::piped()).stdout(file.0).stderr(file.1).process_group(0);
    for name in variables_of_cargo_run() {
        command.env_remove(name);
    }
    // The runner writes the JUnit file; a second one must not come from the scenario.
    command.env_remove(environment::JUNIT);
    let told = ScenarioEnvironment {
        scenario: Some(scenario.id.clone()),
        artefacts: Some(folder.to_path_buf()),
        seed: Some(plan.seed),
        keep: plan.keep,
        target: plan.target.clone(),
        labs: plan.labs,
        provisioner: plan.provisioner.clone(),
        provisioner_version: plan.provisioner_version.clone(),
        kubernetes_version: plan.kubernetes_version.clone(),
        clock: plan.clock,
        patience: plan.patience,
        fresh_clusters: plan.fresh_clusters,
        lender: plan.lender.clone(),
        progress: Some(progress),
        repeat: Some(plan.repeat_command(&scenario.id)),
    };
    command.envs(told.variables());
    let mut child =
        command.spawn().map_err(|error| format!("failed to start {}: {error}", scenario.executable.display()))?;
    let number = child.id().and_then(|id| i32::try_from(id).ok()).ok_or("the scenario's process has no number")?;
    let lifeline = child.stdin.take();
    Ok(ScenarioProcess { child, group: Pid::from_raw(number), _lifeline: lifeline })
}

/// Makes the scenario's folder. What an earlier run recorded there, in artefacts that the user names again, goes: nobody
/// could tell its logs from the new ones. A folder that no run of ours made is left as it is.
fn empty(folder: &Path) -> std::io::Result<()> {
    if folder.join("output.log").is_file() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)
}

impl ScenarioProcess {
    async fn watch(&mut self, plan: &Plan, stop: &mut watch::Receiver<Stop>, listener: &mut Listener) -> Ending {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // First the time that the scenario has; once it was told to end, the time it has for cleaning up.
        let deadline = tokio::time::sleep(plan.timeout);
        tokio::pin!(deadline);
        let mut ended_by_us = None;
        let mut level = Stop::NotYet;
        let status = loop {
            let wanted = tokio::select! {
                status = self.child.wait() => break status,
                _ = look.tick() => {
                    listener.listen();
                    continue;
                }
                () = &mut deadline => match level {
                    Stop::NotYet => {
                        ended_by_us = Some(Ending::TimedOut(plan.timeout));
                        Stop::Graceful
                    }
                    Stop::Graceful | Stop::Immediate => Stop::Immediate,
                },
                wanted = next(stop) => {
                    ended_by_us.get_or_insert(Ending::Interrupted);
                    wanted
                }
            };
            if wanted <= level {
                continue;
            }
            level = wanted;
            deadline.as_mut().reset(tokio::time::Instant::now() + plan.grace);
            match level {
                Stop::NotYet => {}
                // To the scenario alone: it takes its lab down in order.
                Stop::Graceful => drop(kill(self.group, Signal::SIGTERM)),
                Stop::Immediate => drop(killpg(self.group, Signal::SIGKILL)),
            }
        };
        match (ended_by_us, status) {
            (Some(ending), _) => ending,
            (None, Ok(status)) => ending_of(status),
            (None, Err(error)) => Ending::NotStarted(format!("failed to wait for the scenario: {error}")),
        }
    }
}

/// The next word about stopping; never, when nobody can say it any more.
async fn next(stop: &mut watch::Receiver<Stop>) -> Stop {
    match stop.changed().await {
        Ok(()) => *stop.borrow_and_update(),
        Err(_) => std::future::pending().await,
    }
}

fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Killed(signal),
        (None, None) => Ending::Exited(-1),
    }
}
