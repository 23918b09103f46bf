//! `catnap bench clock`: what it costs to wait.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use miette::{Result, miette};

use super::parts::{PartsArgs, prepare_components};
use crate::clock::ClockKind;
use crate::coverage::results_in;
use crate::expect::{Failure, hours, minutes, nodes, pods};
use crate::history::{read, stretches, what_ended};
use crate::lab::{Cluster, Lab, NodeProvisioning};
use crate::manifest::{Named, deployment, node_class, node_pool};
use crate::process::{own_cpu_time, probe_clock};
use crate::report::{Costs, ProgressWriter};
use crate::settings::Settings;
use child_clock::ClockError;

/// How to measure the clock.
#[derive(Debug, Args)]
pub struct ClockBenchArgs {
    /// How often to measure
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Nodes that node auto-provisioning has made in the lab that waits
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub nodes: u32,
    /// Say what the day consists of: how many moves, what each costs in which process, what began them anew, and a time line
    #[arg(long)]
    pub explain: bool,
    /// Run suites with either clock as well, and compare their times and verdicts: those that are named, else all
    #[arg(long, value_name = "SUITE", num_args = 0.., value_delimiter = ',')]
    pub suites: Option<Vec<String>>,
    /// How many scenarios run at once with the real clock, whose labs mostly wait [default: as `catnap run` does]
    #[arg(long, value_name = "N", requires = "suites", value_parser = clap::value_parser!(u16).range(1..))]
    pub real_jobs: Option<u16>,
    /// Which real parts to use.
    #[command(flatten)]
    pub parts: PartsArgs,
}

pub(super) async fn bench_clock(args: ClockBenchArgs) -> Result<u8> {
    probe_clock().map_err(|error: ClockError| miette!("there is nothing to measure: {error}"))?;
    let parts = args.parts.clone().checked()?;
    prepare_components(&parts).await?;
    let mut settings = parts.settings("bench").map_err(|reason| miette!("{reason}"))?;
    settings.clock = ClockKind::Movable;
    waits(&args, &settings).await.map_err(|reason| miette!("failed to measure the clock: {reason}"))?;
    match &args.suites {
        Some(named) => {
            compare_suites(named, args.real_jobs).map_err(|reason| miette!("failed to measure the suites: {reason}"))
        }
        None => Ok(0),
    }
}

async fn waits(args: &ClockBenchArgs, settings: &Settings) -> std::result::Result<(), String> {
    println!("{:<10} {:>22} {:>16} {:>16}", "nodes", "cluster hours/minute", "15 minutes", "24 hours");
    for count in [0, args.nodes] {
        for _ in 0..args.repeats {
            let lab = Lab::start(settings.clone(), ProgressWriter::silent()).await;
            let lab = lab.map_err(|error| error.explain())?;
            let cluster = cluster(&lab, count).await?;
            let quarter = cost(&lab, minutes(15)).await;
            let before = (lab.history().len(), cpu_time(&lab));
            let day = cost(&lab, hours(24)).await;
            let rate = 24.0 / (day.as_secs_f64() / 60.0);
            println!("{count:<10} {rate:>22.0} {:>14.2} s {:>14.2} s", quarter.as_secs_f64(), day.as_secs_f64());
            if args.explain {
                // The last stretch is told when nobody waits any more, by the thread that moves time, in its own time.
                tokio::time::sleep(Duration::from_millis(100)).await;
                explain(&lab, before.0, &before.1, day);
            }
            afterwards(&lab, &cluster, count).await?;
        }
    }
    Ok(())
}

/// A cluster with so many nodes that are provisioned, and a minute of rest.
async fn cluster(lab: &Lab, count: u32) -> std::result::Result<Cluster, String> {
    let broken = |failure: Failure| failure.text().to_owned();
    let builder = lab.managed_cluster().node_provisioning(NodeProvisioning::Auto);
    let cluster = builder.create().await.map_err(|error| error.to_string())?;
    cluster.apply(node_class("bench")).await.map_err(|error| error.to_string())?;
    cluster.apply(node_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(node_pool("bench").ready()).within(minutes(1)).await.map_err(broken)?;
    if count > 0 {
        let workload = deployment("bench").replicas(count).cpu("1").on_pool("bench").one_per_node();
        cluster.apply(workload).await.map_err(|error| error.to_string())?;
        cluster.expect(pods("bench").all_running()).within(minutes(5)).await.map_err(broken)?;
    }
    lab.clock().advance(minutes(1)).await;
    Ok(cluster)
}

/// CPU time of the lab's processes, and of this one, which is its fake Azure and moves its time.
fn cpu_time(lab: &Lab) -> BTreeMap<String, Duration> {
    let mut used = lab.cpu_time();
    used.extend(own_cpu_time().map(|own| (Costs::OWN_PROCESS.to_owned(), own)));
    used
}

/// Says what a wait consisted of, which began when the history was `from` records long and processes had used what is in
/// `used`.
fn explain(lab: &Lab, from: usize, used: &BTreeMap<String, Duration>, took: Duration) {
    let stretches = stretches(&lab.history().since(from));
    let moves: u32 = stretches.iter().map(|stretch| stretch.moves).sum();
    let of_each = |seconds: f64| 1000.0 * seconds / f64::from(moves.max(1));
    println!("{:<10} {moves} moves, {:.1} ms each", "", of_each(took.as_secs_f64()));
    let mut costs: Vec<(String, f64)> = cpu_time(lab)
        .into_iter()
        .map(|(name, now)| {
            let used = now.saturating_sub(used.get(&name).copied().unwrap_or_default());
            (name, of_each(used.as_secs_f64()))
        })
        .collect();
    costs.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let costs: Vec<String> = costs.iter().map(|(name, cost)| format!("{name} {cost:.1}")).collect();
    println!("{:<10} core-milliseconds a move: {}", "", costs.join(", "));
    for (what, times) in what_ended(&stretches) {
        println!("{:<10} begun anew {times} times by {what}", "");
    }
    for stretch in &stretches {
        let end = stretch.end.strftime("%d %H:%M:%S");
        let moved = crate::duration::readable(Duration::from_secs(stretch.moved.as_secs()));
        let ended_by = stretch.ended_by.as_deref().unwrap_or("nobody waited any more");
        println!("{:<10} up to {end}: {moved} in {} moves, then {ended_by}", "", stretch.moves);
    }
}

async fn cost(lab: &Lab, wait: Duration) -> Duration {
    let begun = Instant::now();
    lab.clock().advance(wait).await;
    begun.elapsed()
}

/// Whether the lab has come through it, and how exactly the clocks agree.
async fn afterwards(lab: &Lab, cluster: &Cluster, count: u32) -> std::result::Result<(), String> {
    let broken = |failure: Failure| failure.text().to_owned();
    if count > 0 {
        cluster.expect(nodes().of_pool("bench").all_ready()).now().map_err(broken)?;
    }
    // Nothing works any more in a cluster whose parts have lost each other.
    cluster.apply(deployment("after").cpu("1").on_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(pods("after").all_running()).within(minutes(5)).await.map_err(broken)?;
    println!("{:<10} a process started now differs from the lab by at most {:?}", "", lab.clock_drift().await?);
    Ok(())
}

/// Runs suites with either clock, tells how much time went by, and which scenarios came to something else: 1 where there
/// are such. What the real clock has no patience for is counted and compares with nothing.
fn compare_suites(named: &[String], real_jobs: Option<u16>) -> std::result::Result<u8, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let suites = suites_of(&program, named)?;
    println!(
        "\n{:<18} {:>10} {:>10} {:>8} {:>22} {:>14} {:>8}",
        "suite", "movable", "real", "ratio", "cluster hours/minute", "same verdicts", "skipped"
    );
    let mut other = Vec::new();
    for suite in suites {
        let movable = run(&program, &suite, ClockKind::Movable, None)?;
        let real = run(&program, &suite, ClockKind::Real, real_jobs)?;
        let differing = differing(&movable.results, &real.results);
        let skipped = real.results.values().filter(|result| is_skipped(result)).count();
        println!(
            "{suite:<18} {:>8.1} s {:>8.1} s {:>8.2} {:>22.1} {:>14} {skipped:>8}",
            movable.took.as_secs_f64(),
            real.took.as_secs_f64(),
            real.took.as_secs_f64() / movable.took.as_secs_f64(),
            movable.cluster_hours / (movable.took.as_secs_f64() / 60.0),
            movable.results.len() - skipped - differing.len(),
        );
        other.extend(differing);
    }
    for line in &other {
        println!("{line}");
    }
    Ok(u8::from(!other.is_empty()))
}

/// Names of the suites that there are, or of those among them that are named.
fn suites_of(program: &Path, named: &[String]) -> std::result::Result<Vec<String>, String> {
    let list = std::process::Command::new(program).args(["run", "--list"]).output();
    let list = list.map_err(|error| error.to_string())?;
    let mut suites: Vec<_> = String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter_map(|line| line.split_once("::").map(|(suite, _)| suite.to_owned()))
        .collect();
    suites.dedup();
    if let Some(unknown) = named.iter().find(|name| !suites.contains(name)) {
        return Err(format!("there is no suite '{unknown}'; there are {}", suites.join(", ")));
    }
    if !named.is_empty() {
        suites.retain(|suite| named.contains(suite));
    }
    Ok(suites)
}

/// Results by scenario.
type Results = BTreeMap<String, String>;

/// What running a suite came to.
struct Ran {
    took: Duration,
    /// That went by in its labs, in all.
    cluster_hours: f64,
    results: Results,
}

fn is_skipped(result: &str) -> bool {
    result == "skipped"
}

/// A line for each scenario that came to one thing with the movable clock and to another with the real one.
fn differing(movable: &Results, real: &Results) -> Vec<String> {
    let differing = movable.iter().filter_map(|(scenario, result)| {
        let other = real.get(scenario).map_or("not run", String::as_str);
        let same = other == result || is_skipped(other);
        (!same).then(|| format!("{scenario}: {result} with the movable clock, {other} with the real one"))
    });
    differing.collect()
}

/// Runs a suite. That scenarios fail is one of the things to compare; that it cannot run is an error.
fn run(program: &Path, suite: &str, clock: ClockKind, jobs: Option<u16>) -> std::result::Result<Ran, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let mut command = std::process::Command::new(program);
    command.args(["run", "--no-build", suite, "--clock", &clock.to_string(), "--artefacts"]).arg(folder.path());
    if let Some(jobs) = jobs {
        command.args(["--jobs", &jobs.to_string()]);
    }
    let output = command.output().map_err(|error| error.to_string())?;
    let took = begun.elapsed();
    if !matches!(output.status.code(), Some(0 | 1)) {
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        return Err(format!("{suite} could not run with the {clock} clock:\n{told}"));
    }
    let mut went_by = 0.0;
    for scenario in std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.flatten() {
        let Ok(history) = read(&scenario.path().join("history.jsonl")) else { continue };
        if let [first, .., last] = &history[..] {
            went_by += last.at.duration_since(first.at).as_secs_f64();
        }
    }
    let results = results_in(folder.path()).into_iter().map(|last| (last.scenario, last.result)).collect();
    Ok(Ran { took, cluster_hours: went_by / 3600.0, results })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(all: &[(&str, &str)]) -> Results {
        all.iter().map(|(scenario, result)| ((*scenario).to_owned(), (*result).to_owned())).collect()
    }

    #[test]
    fn other_verdicts_are_told_and_skipped_ones_are_not() {
        let movable =
            results(&[("a", "passed"), ("b", "passed"), ("c", "known fault"), ("d", "passed"), ("e", "failed")]);
        let real = results(&[("a", "passed"), ("b", "failed"), ("c", "skipped"), ("e", "passed")]);
        assert_eq!(
            differing(&movable, &real),
            [
                "b: passed with the movable clock, failed with the real one",
                "d: passed with the movable clock, not run with the real one",
                "e: failed with the movable clock, passed with the real one",
            ]
        );
        assert!(differing(&movable, &movable).is_empty());
    }
}
