//! `catnap bench clock`: what it costs to wait.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use miette::{Result, miette};

use super::parts::{PartsArgs, prepare_components};
use crate::clock::ClockKind;
use crate::expect::{Failure, hours, minutes, nodes, pods};
use crate::history::Record;
use crate::lab::{Cluster, Lab, NodeProvisioning, Settings};
use crate::manifest::{Named, deployment, node_class, node_pool};
use crate::process::{ClockError, probe_clock};
use crate::report::ProgressWriter;

/// How to measure the clock.
#[derive(Debug, Args)]
pub struct ClockBenchArgs {
    /// How often to measure
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Nodes that node auto-provisioning has made in the lab that waits
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub nodes: u32,
    /// Run each suite with either clock as well, and compare
    #[arg(long)]
    pub suites: bool,
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
    if args.suites {
        suites().await.map_err(|reason| miette!("failed to measure the suites: {reason}"))?;
    }
    Ok(0)
}

async fn waits(args: &ClockBenchArgs, settings: &Settings) -> std::result::Result<(), String> {
    println!("{:<10} {:>22} {:>16} {:>16}", "nodes", "cluster hours/minute", "15 minutes", "24 hours");
    for count in [0, args.nodes] {
        for _ in 0..args.repeats {
            let lab = Lab::start(settings.clone(), ProgressWriter::silent()).await;
            let lab = lab.map_err(|error| error.explain())?.without_verdict();
            let cluster = cluster(&lab, count).await?;
            let quarter = cost(&lab, minutes(15)).await;
            let day = cost(&lab, hours(24)).await;
            let rate = 24.0 / (day.as_secs_f64() / 60.0);
            println!("{count:<10} {rate:>22.0} {:>14.2} s {:>14.2} s", quarter.as_secs_f64(), day.as_secs_f64());
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

/// Runs each suite with either clock and tells how much time went by.
async fn suites() -> std::result::Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let list = std::process::Command::new(&program).args(["run", "--list"]).output();
    let list = list.map_err(|error| error.to_string())?;
    let names: Vec<_> = String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter_map(|line| line.split_once("::").map(|(suite, _)| suite.to_owned()))
        .collect();
    let mut suites = names;
    suites.dedup();
    println!("\n{:<18} {:>10} {:>10} {:>8} {:>22}", "suite", "movable", "real", "ratio", "cluster hours/minute");
    for suite in suites {
        let (movable, rate) = run(&program, &suite, ClockKind::Movable)?;
        let (real, _) = run(&program, &suite, ClockKind::Real)?;
        println!(
            "{suite:<18} {:>8.1} s {:>8.1} s {:>8.2} {rate:>22.1}",
            movable.as_secs_f64(),
            real.as_secs_f64(),
            real.as_secs_f64() / movable.as_secs_f64()
        );
    }
    Ok(())
}

/// How long a suite takes, and the cluster hours that went by in its labs in a minute.
fn run(program: &Path, suite: &str, clock: ClockKind) -> std::result::Result<(Duration, f64), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let output = std::process::Command::new(program)
        .args(["run", "--no-build", suite, "--clock", &clock.to_string(), "--artefacts"])
        .arg(folder.path())
        .output()
        .map_err(|error| error.to_string())?;
    let took = begun.elapsed();
    if !output.status.success() {
        return Err(format!("{suite} failed with the {clock} clock:\n{}", String::from_utf8_lossy(&output.stdout)));
    }
    let mut went_by = 0.0;
    for scenario in std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.flatten() {
        let Ok(history) = std::fs::read_to_string(scenario.path().join("history.jsonl")) else { continue };
        let moment = |line: Option<&str>| serde_json::from_str::<Record>(line?).ok().map(|record| record.at);
        if let (Some(first), Some(last)) = (moment(history.lines().next()), moment(history.lines().next_back())) {
            went_by += last.duration_since(first).as_secs_f64();
        }
    }
    Ok((took, went_by / 3600.0 / (took.as_secs_f64() / 60.0)))
}
