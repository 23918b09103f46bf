//! What a run came to, told when it is over.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use super::cost::Costs;
use super::palette::{Palette, elapsed};
use super::scenario::{ScenarioReport, Verdict};
use crate::cluster::pool::{Statistics, ThrownAway};

/// How many of the slowest and of the dearest scenarios are named.
const NAMED: usize = 5;

/// How many scenarios came to which end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Everything held.
    pub passed: usize,
    /// Something did not hold.
    pub failed: usize,
    /// Something did not hold, as is known.
    pub known_faults: usize,
    /// Not for this target.
    pub skipped: usize,
    /// The world could not be had.
    pub could_not_run: usize,
}

impl Counts {
    /// Counts verdicts.
    pub fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut counts = Self::default();
        for verdict in verdicts {
            match verdict {
                Verdict::Passed { .. } => counts.passed += 1,
                Verdict::Failed { .. } => counts.failed += 1,
                Verdict::KnownFault { .. } => counts.known_faults += 1,
                Verdict::Skipped { .. } => counts.skipped += 1,
                Verdict::CouldNotRun { .. } => counts.could_not_run += 1,
            }
        }
        counts
    }

    /// 0 when all that ran passed, 1 when one failed, 2 when none failed but some could not run or there was none.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self { failed: 1.., .. } => 1,
            Self { could_not_run: 1.., .. } | Self { passed: 0, known_faults: 0, skipped: 0, .. } => 2,
            _ => 0,
        }
    }

    /// `1 known fault`, `2 known faults`; `None` where there is none.
    #[must_use]
    pub fn told_known_faults(&self) -> Option<String> {
        match self.known_faults {
            0 => None,
            1 => Some("1 known fault".to_owned()),
            many => Some(format!("{many} known faults")),
        }
    }
}

/// All that is told at the end of a run.
#[derive(Debug)]
pub struct Summary<'a> {
    /// The scenarios that ended, in any order.
    pub reports: &'a [ScenarioReport],
    /// How many never started, because the run was interrupted.
    pub not_started: usize,
    /// What everything random was drawn from.
    pub seed: u64,
    /// Where the run's files are.
    pub artefacts: PathBuf,
    /// Where the JUnit files are.
    pub junit: PathBuf,
    /// How long the run took.
    pub took: Duration,
    /// What became of the clusters that scenarios used one after the other, where they did.
    pub clusters: Option<Statistics>,
}

impl Summary<'_> {
    /// The text. Its last line has the form `N passed, N failed, N skipped`.
    #[must_use]
    pub fn render(&self, palette: Palette) -> String {
        let mut text = String::new();
        self.troubles(&mut text, palette, "failed", |verdict| match verdict {
            Verdict::Failed { message, body } => Some((message, body)),
            _ => None,
        });
        self.troubles(&mut text, palette, "could not run", |verdict| match verdict {
            Verdict::CouldNotRun { message } => Some((message, message)),
            _ => None,
        });
        self.aside(&mut text, palette, "known faults", |verdict| match verdict {
            Verdict::KnownFault { fault, message } => Some(format!("{fault}: {}", first_line(message))),
            _ => None,
        });
        self.aside(&mut text, palette, "skipped", |verdict| match verdict {
            Verdict::Skipped { reason } => Some(first_line(reason).to_owned()),
            _ => None,
        });
        self.slowest(&mut text, palette);
        self.dearest(&mut text, palette);

        let _ = writeln!(text, "\n{}  {}", palette.heading("artefacts"), self.artefacts.display());
        let _ = writeln!(text, "{}      {}", palette.heading("junit"), self.junit.display());
        let _ = writeln!(text, "{}       {}", palette.heading("seed"), self.seed);
        let _ = writeln!(text, "{}       {}", palette.heading("time"), elapsed(self.took));
        if let Some(cost) = self.cost() {
            let _ = writeln!(text, "{}       {cost}", palette.heading("cost"));
        }
        text.push('\n');

        self.thrown_away(&mut text, palette);
        let counts = Counts::of(self.reports.iter().map(|report| &report.verdict));
        if self.not_started > 0 {
            let _ = writeln!(text, "{}", palette.caution(&format!("{} not started", self.not_started)));
        }
        if counts.could_not_run > 0 {
            let _ = writeln!(text, "{}", palette.bad(&format!("{} could not run", counts.could_not_run)));
        }
        if let Some(faults) = counts.told_known_faults() {
            let _ = writeln!(text, "{}", palette.caution(&faults));
        }
        let closing = format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
        let complete = self.not_started == 0 && counts.exit_code() == 0;
        let _ = writeln!(text, "{}", if complete { palette.good(&closing) } else { palette.bad(&closing) });
        text
    }

    fn sorted(&self) -> Vec<&ScenarioReport> {
        let mut reports: Vec<&ScenarioReport> = self.reports.iter().collect();
        reports.sort_by(|a, b| a.id.cmp(&b.id));
        reports
    }

    fn troubles<'v>(
        &'v self,
        text: &mut String,
        palette: Palette,
        heading: &str,
        pick: impl Fn(&'v Verdict) -> Option<(&'v String, &'v String)>,
    ) {
        let mut first = true;
        for report in self.sorted() {
            let Some((message, body)) = pick(&report.verdict) else { continue };
            if std::mem::take(&mut first) {
                let _ = writeln!(text, "\n{}", palette.heading(heading));
            }
            let _ =
                writeln!(text, "\n  {} {}", palette.bad(&report.id.to_string()), palette.faint(&elapsed(report.took)));
            // Most bodies begin with their message; saying it twice helps nobody.
            if !body.trim_start().starts_with(message.trim()) {
                indent(text, message);
            }
            indent(text, body);
            let folder = self.artefacts.join(report.id.file_stem());
            let _ = writeln!(text, "    {} {}", palette.faint("artefacts:"), folder.display());
            let _ = writeln!(text, "    {} {}", palette.faint("again:    "), report.repeat);
        }
    }

    /// One line for each scenario of which there is something to say.
    fn aside(&self, text: &mut String, palette: Palette, heading: &str, say: impl Fn(&Verdict) -> Option<String>) {
        let mut first = true;
        for report in self.sorted() {
            let Some(said) = say(&report.verdict) else { continue };
            if std::mem::take(&mut first) {
                let _ = writeln!(text, "\n{}\n", palette.heading(heading));
            }
            let _ = writeln!(text, "  {}: {said}", report.id);
        }
    }

    /// Which clusters were not used again, and why.
    fn thrown_away(&self, text: &mut String, palette: Palette) {
        let Some(Statistics { made, lent_again, thrown_away }) = &self.clusters else { return };
        let _ = writeln!(
            text,
            "{}   {made} made, {lent_again} times used again, {} thrown away",
            palette.heading("clusters"),
            thrown_away.len()
        );
        for ThrownAway { by, why } in thrown_away {
            let _ = writeln!(text, "           after {by}: {why}");
        }
        let _ = writeln!(text);
    }

    fn slowest(&self, text: &mut String, palette: Palette) {
        let mut reports: Vec<_> =
            self.reports.iter().filter(|report| !matches!(report.verdict, Verdict::Skipped { .. })).collect();
        // With as few as that, everything is on the screen already.
        if reports.len() < 2 {
            return;
        }
        reports.sort_by(|a, b| b.took.cmp(&a.took).then_with(|| a.id.cmp(&b.id)));
        let _ = writeln!(text, "\n{}\n", palette.heading("slowest"));
        for report in reports.into_iter().take(NAMED) {
            let _ = writeln!(text, "  {:>7}  {}", elapsed(report.took), report.id);
        }
    }

    /// Those that took the most CPU time, which others that run at the same time have to do without.
    fn dearest(&self, text: &mut String, palette: Palette) {
        let mut priced: Vec<_> = priced(self.reports).collect();
        // What one alone cost stands in the last lines.
        if priced.len() < 2 {
            return;
        }
        priced.sort_by(|(a, costs), (b, others)| others.total().cmp(&costs.total()).then_with(|| a.id.cmp(&b.id)));
        let _ = writeln!(text, "\n{}\n", palette.heading("dearest"));
        for (report, costs) in priced.into_iter().take(NAMED) {
            let _ = writeln!(text, "  {}\n    {}", report.id, palette.faint(&costs.to_string()));
        }
    }

    /// What all scenarios cost together, where any told.
    fn cost(&self) -> Option<String> {
        priced(self.reports).next()?;
        let sum: Costs = priced(self.reports).map(|(_, costs)| costs).sum();
        let mut cost = format!("{sum}; {}", sum.told_cluster_time());
        // One that was ended from outside had no time to tell. Those that never were at work have nothing to tell.
        let silent = self.reports.iter().filter(|report| {
            report.costs.is_none() && !matches!(report.verdict, Verdict::Skipped { .. } | Verdict::CouldNotRun { .. })
        });
        match silent.count() {
            0 => {}
            1 => cost += "; 1 scenario did not tell",
            many => cost += &format!("; {many} scenarios did not tell"),
        }
        Some(cost)
    }
}

/// The scenarios that told what they cost.
fn priced(reports: &[ScenarioReport]) -> impl Iterator<Item = (&ScenarioReport, &Costs)> {
    reports.iter().filter_map(|report| Some((report, report.costs.as_ref()?)))
}

/// The first line that says something.
pub(super) fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

fn indent(text: &mut String, what: &str) {
    for line in what.trim_end().lines() {
        let _ = writeln!(text, "{}", format!("    {line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Facts, ScenarioId};

    fn report(name: &str, seconds: u64, verdict: Verdict) -> ScenarioReport {
        ScenarioReport {
            id: ScenarioId::new("custom_vnet", name),
            place: None,
            verdict,
            started: jiff::Timestamp::UNIX_EPOCH,
            took: Duration::from_secs(seconds),
            facts: Facts::default(),
            costs: None,
            attachments: Vec::new(),
            output: String::new(),
            repeat: format!("catnap run custom_vnet::{name} --seed 7"),
        }
    }

    fn rendered(reports: &[ScenarioReport], not_started: usize) -> String {
        Summary {
            reports,
            not_started,
            seed: 7,
            artefacts: "/a/run".into(),
            junit: "/a/run/junit".into(),
            took: Duration::from_secs(75),
            clusters: Some(Statistics {
                made: 2,
                lent_again: 3,
                thrown_away: vec![ThrownAway { by: "drift::a".into(), why: "ClusterRole view is gone".into() }],
            }),
        }
        .render(Palette::PLAIN)
    }

    #[test]
    fn a_run_with_every_kind_of_end() {
        let reports = [
            report("passes", 12, Verdict::Passed { assertions: 3 }),
            report(
                "fails",
                31,
                Verdict::Failed { message: "expected 3 nodes".into(), body: "saw 2:\n\n  node-1\n  node-2\n".into() },
            ),
            report("lacks_go", 0, Verdict::CouldNotRun { message: "Go is missing\nhelp: install it".into() }),
            report(
                "is_known",
                9,
                Verdict::KnownFault { fault: "nic-leak".into(), message: "expected: no NIC\nseen: 1".into() },
            ),
            report("needs_a_clock", 0, Verdict::Skipped { reason: "the target cannot move its clock".into() }),
        ];
        insta::assert_snapshot!(rendered(&reports, 1));
    }

    #[test]
    fn the_dearest_are_named_with_what_each_process_used_and_the_end_tells_of_all() {
        let reports: Vec<_> = [
            ("cheap", 40, Some((900, 0.5, 0.25))),
            ("dear", 20, Some((86_400, 61.5, 0.0))),
            ("as_dear_as_others", 9, Some((900, 2.0, 1.0))),
            ("another_as_dear", 8, Some((900, 2.0, 1.0))),
            ("fourth", 7, Some((900, 2.0, 2.0))),
            ("sixth", 6, Some((900, 1.0, 1.0))),
            ("timed_out", 1800, None),
        ]
        .into_iter()
        .map(|(name, seconds, told)| {
            let mut report = report(name, seconds, Verdict::Passed { assertions: 1 });
            report.costs = told.map(|(cluster, api_server, karpenter)| {
                let mut costs = Costs::over(Duration::from_secs(cluster));
                costs.add("kube-apiserver", Duration::from_secs_f64(api_server));
                costs.add("karpenter", Duration::from_secs_f64(karpenter));
                costs
            });
            report
        })
        .collect();
        let text = rendered(&reports, 0);
        insta::assert_snapshot!(&text[text.find("\ndearest").unwrap()..], @r"
        dearest

          custom_vnet::dear
            61.5 core-seconds: kube-apiserver 61.5
          custom_vnet::fourth
            4.0 core-seconds: karpenter 2.0, kube-apiserver 2.0
          custom_vnet::another_as_dear
            3.0 core-seconds: kube-apiserver 2.0, karpenter 1.0
          custom_vnet::as_dear_as_others
            3.0 core-seconds: kube-apiserver 2.0, karpenter 1.0
          custom_vnet::sixth
            2.0 core-seconds: karpenter 1.0, kube-apiserver 1.0

        artefacts  /a/run
        junit      /a/run/junit
        seed       7
        time       1m15s
        cost       74.2 core-seconds: kube-apiserver 69.0, karpenter 5.2; 25.2 cluster hours; 1 scenario did not tell

        clusters   2 made, 3 times used again, 1 thrown away
                   after drift::a: ClusterRole view is gone

        7 passed, 0 failed, 0 skipped
        ");
    }

    #[test]
    fn what_a_single_scenario_cost_is_told_once() {
        let mut report = report("passes", 12, Verdict::Passed { assertions: 3 });
        let mut costs = Costs::over(Duration::from_secs(900));
        costs.add("etcd", Duration::from_millis(1250));
        report.costs = Some(costs);
        let text = rendered(&[report], 0);
        assert!(text.contains("\ncost       1.2 core-seconds: etcd 1.2; 15.0 cluster minutes\n"), "{text}");
        assert!(!text.contains("dearest"), "{text}");
    }

    #[test]
    fn a_run_in_which_all_is_well_is_short() {
        insta::assert_snapshot!(rendered(&[report("passes", 12, Verdict::Passed { assertions: 3 })], 0));
    }

    #[test]
    fn a_failure_outweighs_what_could_not_run_and_both_outweigh_success() {
        let code = |passed, failed, skipped, could_not_run| {
            Counts { passed, failed, known_faults: 0, skipped, could_not_run }.exit_code()
        };
        assert_eq!(Counts { known_faults: 1, ..Counts::default() }.exit_code(), 0);
        assert_eq!(code(3, 0, 0, 0), 0);
        assert_eq!(code(3, 0, 1, 0), 0);
        assert_eq!(code(0, 0, 1, 0), 0);
        assert_eq!(code(3, 1, 0, 1), 1);
        assert_eq!(code(3, 0, 0, 1), 2);
        assert_eq!(code(0, 0, 0, 0), 2);
    }
}
