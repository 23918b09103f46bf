//! A run as plain lines: for files, pipes and CI logs. One line when a scenario starts and one when it ends.

use std::io::Write;

use super::event::{Reporter, RunEvent, RunPlan, Untold};
use super::palette::{Palette, elapsed};
use super::scenario::ScenarioReport;
use super::summary::first_line;

/// More of a message would hide the other scenarios; the summary has all of it.
const LONGEST: usize = 200;

/// Shows a run as lines.
#[derive(Debug)]
pub struct Plain<W> {
    out: W,
    palette: Palette,
    scenarios: usize,
    finished: usize,
}

impl<W: Write + Send> Plain<W> {
    /// Lines to `out`.
    pub fn new(out: W, palette: Palette) -> Self {
        Self { out, palette, scenarios: 0, finished: 0 }
    }

    /// The one who reads may have gone; the run goes on for its report's sake.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }
}

impl<W: Write + Send> Reporter for Plain<W> {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        match event {
            RunEvent::Planned { plan } => {
                self.scenarios = plan.scenarios.len();
                self.line(&planned(plan));
            }
            RunEvent::Started { scenario } => {
                self.line(&format!("{} {:>17}  {scenario}", self.palette.faint("start"), ""));
            }
            RunEvent::Told { .. } | RunEvent::Ended { .. } => {}
            RunEvent::Finished { report } => {
                self.finished += 1;
                let line = finished(self.palette, report, self.finished, self.scenarios);
                self.line(&line);
            }
            RunEvent::Notice { text } => self.line(text),
        }
        Ok(())
    }
}

pub(super) fn planned(plan: &RunPlan) -> String {
    let (scenarios, RunPlan { jobs, seed, .. }) = (plan.scenarios.len(), plan);
    let s = if scenarios == 1 { "" } else { "s" };
    format!("running {scenarios} scenario{s}, {jobs} at a time, seed {seed}")
}

/// The line that a scenario leaves behind.
pub(super) fn finished(palette: Palette, report: &ScenarioReport, number: usize, of: usize) -> String {
    let count = palette.faint(&format!("{:>9}", format!("({number}/{of})")));
    let mut line = format!("{} {:>7} {count}  {}", palette.verdict(&report.verdict), elapsed(report.took), report.id);
    let message = first_line(report.verdict.message());
    if !message.is_empty() {
        line.push_str("\n                         ");
        line.extend(message.chars().take(LONGEST));
        if message.chars().count() > LONGEST {
            line.push('…');
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Facts, Line, ScenarioId, Verdict};
    use std::time::Duration;

    #[test]
    fn a_scenario_is_a_line_when_it_starts_and_when_it_ends() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out, Palette::PLAIN);
        let id = ScenarioId::new("drift", "a");
        let plan = RunPlan {
            started: jiff::Timestamp::UNIX_EPOCH,
            seed: 7,
            facts: Facts::default(),
            command: "catnap run".into(),
            options: Vec::new(),
            jobs: 1,
            scenarios: vec![id.clone(), ScenarioId::new("drift", "b")],
            artefacts: "/a".into(),
        };
        let mut hear = |event| plain.hear(&event).unwrap();
        hear(RunEvent::Planned { plan });
        hear(RunEvent::Started { scenario: id.clone() });
        hear(RunEvent::Told { scenario: id.clone(), told: Line::Step { text: "unseen".into() } });
        let mut report = ScenarioReport {
            id: id.clone(),
            place: None,
            verdict: Verdict::Passed { assertions: 1 },
            started: jiff::Timestamp::UNIX_EPOCH,
            took: Duration::from_millis(12_300),
            facts: Facts::default(),
            costs: None,
            attachments: Vec::new(),
            output: String::new(),
            repeat: String::new(),
        };
        hear(RunEvent::Finished { report: Box::new(report.clone()) });
        report.verdict = Verdict::Failed { message: "no node came\nat all".into(), body: "story".into() };
        hear(RunEvent::Finished { report: Box::new(report.clone()) });
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        running 2 scenarios, 1 at a time, seed 7
        start                    drift::a
        PASS    12.3s     (1/2)  drift::a
        FAIL    12.3s     (2/2)  drift::a
                                 no node came
        ");
    }
}
