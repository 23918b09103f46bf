//! In which order scenarios start: the longest first, so that none of them begins when all others are done and the run
//! waits for it alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use super::folder::RunFolder;
use super::list::Scenario;
use crate::coverage::{LastResult, last_started, results_in};
use crate::report::Facts;

/// In which order scenarios start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The longest first, by what earlier runs tell.
    #[default]
    LongestFirst,
    /// As `--list` lists them.
    Listed,
    /// The other way round. What comes to another verdict in it depends on what ran before.
    Reversed,
}

impl FromStr for Order {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "longest-first" => Ok(Self::LongestFirst),
            "listed" => Ok(Self::Listed),
            "reversed" => Ok(Self::Reversed),
            other => Err(format!("{other:?} is no order: say longest-first, listed or reversed")),
        }
    }
}

impl Order {
    /// The scenarios in this order. Earlier runs have their folders in `above`; one with these real parts, `facts`, counts
    /// before any other.
    #[must_use]
    pub fn of(self, mut scenarios: Vec<Scenario>, above: &Path, facts: &Facts) -> Vec<Scenario> {
        match self {
            Self::LongestFirst => longest_first(scenarios, above, facts),
            Self::Listed => scenarios,
            Self::Reversed => {
                scenarios.reverse();
                scenarios
            }
        }
    }
}

/// How many of the earlier runs are read at most. A file of a whole run has a hundred lines and more, and a folder may hold
/// thousands of runs.
const RUNS: usize = 100;

/// The scenarios in the order in which they had better start: by how long each took when it was run last, by what the runs
/// whose folders lie in `above` kept, the longest first. A run with these real parts, `facts`, counts before any other.
/// Scenarios of which nothing is known come first, in the order that they have: they may be long.
#[must_use]
fn longest_first(scenarios: Vec<Scenario>, above: &Path, facts: &Facts) -> Vec<Scenario> {
    let earlier = earlier_results(above, &scenarios, facts);
    in_order(scenarios, &earlier, facts)
}

/// The same by the results that are given.
fn in_order(mut scenarios: Vec<Scenario>, earlier: &[LastResult], facts: &Facts) -> Vec<Scenario> {
    let known = times(earlier, facts);
    // None is less than any time. Those that are equal keep their order.
    scenarios.sort_by_key(|scenario| known.get(&scenario.id.to_string()).map(|time| Reverse(*time)));
    scenarios
}

/// How long scenarios take, as far as results tell.
fn times(earlier: &[LastResult], facts: &Facts) -> BTreeMap<String, Duration> {
    let mut best: BTreeMap<&str, (Weight, Timestamp, Duration)> = BTreeMap::new();
    for result in earlier {
        let Some((weight, time)) = weigh(result, facts) else { continue };
        let told = (weight, result.started, time);
        let known = best.entry(&result.scenario).or_insert(told);
        *known = told.max(*known);
    }
    best.into_iter().map(|(scenario, (_, _, time))| (scenario.to_owned(), time)).collect()
}

/// What a result is worth to whoever wants to know how long the scenario takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It ran with other real parts.
    Other,
    /// It ran with the same.
    Same,
}

/// The worth of a result, and how long the scenario took; `None` where it says nothing of that.
fn weigh(result: &LastResult, facts: &Facts) -> Option<(Weight, Duration)> {
    let time = result.seconds?.0;
    match result.result.as_str() {
        // It ended before its time, or never began.
        "could not run" => None,
        _ if result.ran_with(facts) => Some((Weight::Same, time)),
        // That is over at once, and other parts may not skip it.
        "skipped" => None,
        _ => Some((Weight::Other, time)),
    }
}

/// What the latest runs in `above` came to, one run after the other until of each scenario there is one with these parts.
fn earlier_results(above: &Path, scenarios: &[Scenario], facts: &Facts) -> Vec<LastResult> {
    let mut unknown: BTreeSet<String> = scenarios.iter().map(|scenario| scenario.id.to_string()).collect();
    let mut earlier = Vec::new();
    for run in latest_runs(above).into_iter().take(RUNS) {
        if unknown.is_empty() {
            break;
        }
        for result in results_in(&run) {
            if matches!(weigh(&result, facts), Some((Weight::Same, _))) {
                unknown.remove(&result.scenario);
            }
            earlier.push(result);
        }
    }
    earlier
}

/// The folders in `above` that hold results, those of the latest run first. When a run was is read from its last line and
/// not from the file's times, which a copy does not have.
fn latest_runs(above: &Path) -> Vec<PathBuf> {
    let mut runs = Vec::new();
    for folder in folders_in(above) {
        if let Some(at) = last_started(&folder) {
            runs.push((at, folder));
        } else if RunFolder::is_one(&folder) {
            // A run with several combinations of real parts keeps the results of each in a folder of its own.
            runs.extend(folders_in(&folder).filter_map(|folder| Some((last_started(&folder)?, folder))));
        }
    }
    runs.sort_unstable_by(|a, b| b.cmp(a));
    runs.into_iter().map(|(_, folder)| folder).collect()
}

/// Folders, without the link to the latest run, which would only say again what that one says.
fn folders_in(above: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(above).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{ScenarioId, Seconds};

    fn parts(provisioner: &str) -> Facts {
        let mut facts = Facts::default();
        facts.set("kubernetes", "1.34.4");
        facts.set("karpenter-azure", provisioner);
        facts
    }

    fn scenarios(names: &[&str]) -> Vec<Scenario> {
        let scenario = |name: &&str| Scenario {
            id: ScenarioId::new("drift", *name),
            source: None,
            ignored: false,
            executable: "/suite".into(),
        };
        names.iter().map(scenario).collect()
    }

    /// A result of the scenario `name`, which began in this second and took as many.
    fn result(name: &str, started: i64, took: Option<u64>, result: &str, provisioner: &str) -> LastResult {
        let mut facts: BTreeMap<_, _> =
            parts(provisioner).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        facts.insert("seed".to_owned(), started.to_string());
        LastResult {
            scenario: format!("drift::{name}"),
            result: result.to_owned(),
            message: String::new(),
            started: Timestamp::from_second(started).unwrap(),
            facts,
            seconds: took.map(|took| Seconds(Duration::from_secs(took))),
            costs: None,
        }
    }

    fn passed(name: &str, started: i64, took: u64) -> LastResult {
        result(name, started, Some(took), "passed", "1.7.1")
    }

    fn names(scenarios: &[Scenario]) -> String {
        scenarios.iter().map(|scenario| scenario.id.name()).collect::<Vec<_>>().join(" ")
    }

    fn order(given: &[&str], earlier: &[LastResult]) -> String {
        names(&in_order(scenarios(given), earlier, &parts("1.7.1")))
    }

    #[test]
    fn the_longest_comes_first_and_the_unknown_before_it_in_their_order() {
        let earlier = [passed("short", 1, 5), passed("long", 2, 60), passed("middle", 3, 20), passed("as_short", 4, 5)];
        let given = ["short", "new", "middle", "as_short", "long", "brand_new"];
        assert_eq!(order(&given, &earlier), "new brand_new long middle short as_short");
        assert_eq!(order(&given, &[]), given.join(" "));
        // A result of before the time was kept tells nothing.
        assert_eq!(
            order(&["long", "old"], &[passed("long", 1, 9), result("old", 2, None, "passed", "1.7.1")]),
            "old long"
        );
    }

    #[test]
    fn the_latest_result_counts_wherever_it_stands() {
        let mut earlier = [passed("a", 1, 50), passed("a", 9, 1), passed("a", 5, 50), passed("b", 3, 10)];
        assert_eq!(order(&["a", "b"], &earlier), "b a");
        earlier.reverse();
        assert_eq!(order(&["a", "b"], &earlier), "b a");
    }

    #[test]
    fn a_result_with_the_same_parts_counts_before_a_later_one_with_others() {
        let other = |name, started, took| result(name, started, Some(took), "passed", "1.6.3");
        let earlier = [passed("a", 1, 5), other("a", 9, 90), passed("b", 1, 10), other("c", 1, 7)];
        assert_eq!(order(&["a", "b", "c"], &earlier), "b c a");
    }

    #[test]
    fn what_did_not_run_says_nothing_of_how_long_it_takes() {
        let told = |result_of_last: &str, provisioner| {
            let last = result("a", 9, Some(0), result_of_last, provisioner);
            order(&["b", "a"], &[passed("a", 1, 60), passed("b", 1, 30), last])
        };
        assert_eq!(told("passed", "1.7.1"), "b a");
        assert_eq!(told("could not run", "1.7.1"), "a b");
        // With these parts it will be skipped again.
        assert_eq!(told("skipped", "1.7.1"), "b a");
        let elsewhere = [passed("b", 1, 30), result("a", 9, Some(0), "skipped", "1.6.3")];
        assert_eq!(order(&["b", "a"], &elsewhere), "a b");
    }

    fn keep(run: &Path, results: &[LastResult]) {
        std::fs::create_dir_all(run).unwrap();
        let lines = results.iter().map(|result| serde_json::to_string(result).unwrap() + "\n");
        std::fs::write(run.join("results.jsonl"), lines.collect::<String>()).unwrap();
    }

    #[test]
    fn no_more_runs_are_read_than_it_takes() {
        let above = tempfile::tempdir().unwrap();
        let run = |name: &str| above.path().join(name);
        // Names say nothing of when a run was.
        keep(&run("c"), &[passed("a", 1, 1), passed("b", 1, 1)]);
        keep(&run("a"), &[passed("a", 3, 3)]);
        keep(&run("b"), &[passed("a", 2, 2), passed("b", 2, 2)]);
        std::os::unix::fs::symlink("c", run("latest")).unwrap();
        std::fs::write(run("file"), "").unwrap();
        let read = |wanted: &[&str], provisioner| -> Vec<i64> {
            let earlier = earlier_results(above.path(), &scenarios(wanted), &parts(provisioner));
            earlier.iter().map(|result| result.started.as_second()).collect()
        };
        assert_eq!(read(&["a"], "1.7.1"), [3]);
        assert_eq!(read(&["a", "b"], "1.7.1"), [3, 2, 2]);
        assert_eq!(read(&["a", "new"], "1.7.1"), [3, 2, 2, 1, 1]);
        assert_eq!(read(&["a"], "1.6.3"), [3, 2, 2, 1, 1], "another might have these parts");
        assert_eq!(read(&[], "1.7.1"), [0; 0]);
    }

    #[test]
    fn of_very_many_runs_the_latest_are_read() {
        let above = tempfile::tempdir().unwrap();
        for at in 0..=i64::try_from(RUNS).unwrap() {
            keep(&above.path().join(at.to_string()), &[passed("a", at, 1)]);
        }
        let earlier = earlier_results(above.path(), &scenarios(&["new"]), &parts("1.7.1"));
        assert_eq!(earlier.len(), RUNS);
        assert!(earlier.iter().all(|result| result.started.as_second() > 0));
    }

    #[test]
    fn the_folders_of_a_run_with_several_combinations_are_found() {
        let above = tempfile::tempdir().unwrap();
        let run = RunFolder::at(&above.path().join("run")).unwrap();
        keep(&run.path().join("one"), &[passed("a", 1, 10)]);
        keep(&run.path().join("other"), &[passed("b", 1, 20)]);
        // Somebody else's folder is none of ours.
        keep(&above.path().join("project/run"), &[passed("a", 9, 90)]);
        let ordered = longest_first(scenarios(&["a", "b"]), above.path(), &parts("1.7.1"));
        assert_eq!(names(&ordered), "b a");
    }
}
