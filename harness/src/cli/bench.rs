//! `catnap bench`: how long things take, over repeats, in one run.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::expect::{minutes, nodes, pods};
use crate::history::{BootStage, Event, History};
use crate::lab::{Lab, NodeProvisioning, Settings};
use crate::manifest::{deployment, node_class, node_pool};
use crate::report::ProgressWriter;

/// Arguments of `catnap bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    what: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// A lab from its start to its first node, and its memory.
    Lab {
        /// How many labs are started one after the other; the first warms caches up and is not counted.
        #[arg(long, default_value_t = 5)]
        repeats: usize,
    },
}

/// Runs a benchmark and prints medians with minimum and maximum.
///
/// # Errors
/// One sentence, where no lab can be stood up or the lab does not do what it should.
pub async fn run(args: BenchArgs) -> Result<(), String> {
    match args.what {
        Bench::Lab { repeats } => lab(repeats.max(1)).await,
    }
}

/// What one lab took.
#[derive(Debug, Clone, Default)]
struct Sample {
    api_server: Duration,
    reconciling: Duration,
    node: Duration,
    pod: Duration,
    memory: Vec<(String, u64)>,
}

async fn lab(repeats: usize) -> Result<(), String> {
    let mut samples = Vec::new();
    for round in 0..=repeats {
        let sample = one_lab().await?;
        if round == 0 {
            println!("warm-up: API server {:.2} s", sample.api_server.as_secs_f64());
        } else {
            println!(
                "{round}/{repeats}: API server {:.2} s, reconciling {:.2} s, pod to Ready node {:.2} s, pod running {:.2} s",
                sample.api_server.as_secs_f64(),
                sample.reconciling.as_secs_f64(),
                sample.node.as_secs_f64(),
                sample.pod.as_secs_f64(),
            );
            samples.push(sample);
        }
    }
    println!();
    println!("{:<34} {:>8} {:>8} {:>8}", "seconds", "median", "min", "max");
    row("start to API server usable", &samples, |sample| sample.api_server);
    row("start to provisioner reconciling", &samples, |sample| sample.reconciling);
    row("pending pod to Ready node", &samples, |sample| sample.node);
    row("pending pod to running pod", &samples, |sample| sample.pod);
    println!();
    println!("memory of a lab with one node");
    let last = samples.last().map(|sample| sample.memory.clone()).unwrap_or_default();
    for (name, bytes) in &last {
        println!("  {name:<32} {:>8} MiB", bytes / (1 << 20));
    }
    println!("  {:<32} {:>8} MiB", "all", last.iter().map(|(_, bytes)| bytes).sum::<u64>() / (1 << 20));
    Ok(())
}

fn row(label: &str, samples: &[Sample], value: impl Fn(&Sample) -> Duration) {
    let mut values: Vec<f64> = samples.iter().map(|sample| value(sample).as_secs_f64()).collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    println!("{label:<34} {median:>8.2} {:>8.2} {:>8.2}", values[0], values[values.len() - 1]);
}

async fn one_lab() -> Result<Sample, String> {
    let settings = Settings::from_env()?;
    let lab = Lab::start(settings, ProgressWriter::silent()).await.map_err(|error| error.explain())?.without_verdict();
    let broken = |failure: crate::expect::Failure| failure.text().to_owned();
    let began = Instant::now();
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await.map_err(|e| e.to_string())?;
    let subnet = vnet.subnet("nodes", "10.0.1.0/24").create().await.map_err(|e| e.to_string())?;
    let requested = Instant::now();
    let cluster = lab
        .managed_cluster()
        .node_provisioning(NodeProvisioning::Auto)
        .subnet(&subnet)
        .service_cidr("10.2.0.0/16")
        .create()
        .await
        .map_err(|error| error.to_string())?;
    // From the request for the cluster on: what came before is Azure, not the lab.
    let reconciling = requested.elapsed();
    tracing::debug!(network = ?requested.duration_since(began), "the network is there");
    let api_server = lab.api_server_start().unwrap_or(reconciling);
    cluster.apply(node_class("bench")).await.map_err(|error| error.to_string())?;
    cluster.apply(node_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(node_pool("bench").ready()).within(minutes(1)).await.map_err(broken)?;
    let pending = Instant::now();
    let pending_at = lab.history().now();
    cluster.apply(deployment("bench").cpu("1").on_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(nodes().of_pool("bench").all_ready()).within(minutes(2)).await.map_err(broken)?;
    let node = registered(lab.history(), pending_at).unwrap_or_else(|| pending.elapsed());
    cluster.expect(pods("bench").all_running()).within(minutes(2)).await.map_err(broken)?;
    let pod = pending.elapsed();
    Ok(Sample { api_server, reconciling, node, pod, memory: lab.memory() })
}

/// Time from `since` until the first provisioned machine was a Ready node.
fn registered(history: &History, since: jiff::Timestamp) -> Option<Duration> {
    history.since(0).iter().filter(|record| record.at >= since).find_map(|record| match &record.event {
        Event::Boot { machine, stage: BootStage::Registered, .. } if !machine.contains("vmss") => {
            Duration::try_from(record.at.duration_since(since)).ok()
        }
        _ => None,
    })
}
