//! `catnap bench`: how long things take on this machine.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use miette::{Result, miette};

use super::bench_clock::{ClockBenchArgs, bench_clock};
use super::bench_soak::{SoakArgs, bench_soak};
use super::parts::{PartsArgs, prepare_components};
use crate::expect::{Failure, minutes, nodes, pods};
use crate::history::{Event, History};
use crate::lab::{Lab, NodeProvisioning};
use crate::manifest::{Named, deployment, node_class, node_pool};
use crate::node::Machines;
use crate::report::ProgressWriter;
use crate::settings::Settings;

const EXAMPLES: &str = "\
Examples:
  catnap bench lab                 times and memory of a lab, over ten repeats
  catnap bench lab --repeats 3
  catnap bench clock               what waits cost in a lab in which nothing happens
  catnap bench clock --explain     what such a day consists of, move by move
  catnap bench clock --suites      the same for each suite, with the movable clock and with the real one
  catnap bench soak                a week of days and nights in one lab, and what it grows by";

/// Measure how long things take on this machine
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// From start to API server ready and provisioner reconciling, from pending pod to node Ready, memory of a lab
    #[command(after_help = EXAMPLES)]
    Lab(LabBenchArgs),
    /// What waits cost: cluster hours in a wall minute, fifteen minutes, a day; how exactly the clocks agree
    #[command(after_help = EXAMPLES)]
    Clock(ClockBenchArgs),
    /// Days and nights in one lab: what comes in the morning goes in the evening; nothing is left, nothing grows
    #[command(after_help = EXAMPLES)]
    Soak(SoakArgs),
}

/// How to measure a lab.
#[derive(Debug, Args)]
pub struct LabBenchArgs {
    /// How often to measure
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Which real parts to use.
    #[command(flatten)]
    pub parts: PartsArgs,
}

/// Does what `catnap bench` asks for.
pub(super) async fn bench(args: BenchArgs) -> Result<u8> {
    let args = match args.command {
        BenchCommand::Lab(args) => args,
        BenchCommand::Clock(args) => return bench_clock(args).await,
        BenchCommand::Soak(args) => return bench_soak(args).await,
    };
    let parts = args.parts.checked()?;
    prepare_components(&parts).await?;
    let settings = parts.settings("bench").map_err(|reason| miette!("{reason}"))?;
    lab(args.repeats, &settings).await.map_err(|reason| miette!("failed to measure a lab: {reason}"))?;
    Ok(0)
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

async fn lab(repeats: u32, settings: &Settings) -> std::result::Result<(), String> {
    let mut samples = Vec::new();
    for round in 0..=repeats {
        let sample = one_lab(settings.clone()).await?;
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
    println!("(a kubelet starts 0.2 s after its machine here, and its node has a network at once)");
    println!();
    println!("memory of a lab with two provisioned nodes");
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

async fn one_lab(settings: Settings) -> std::result::Result<Sample, String> {
    let lab = Lab::start(settings, ProgressWriter::silent()).await.map_err(|error| error.explain())?;
    let broken = |failure: Failure| failure.text().to_owned();
    // What the lab takes is measured, not what the model has a node's network take.
    lab.require::<Machines>().map_err(broken)?.ready_after(Some(Duration::ZERO));
    let began = Instant::now();
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await.map_err(|e| e.to_string())?;
    let subnet = vnet.subnet("nodes", "10.0.1.0/24").create().await.map_err(|e| e.to_string())?;
    // For a network of one's own, as the documents have it: an identity with rights on it, before the cluster.
    let identity = lab.azure().identity("bench").create().await.map_err(|error| error.to_string())?;
    let role = lab.azure().role("Network Contributor").on(&vnet).to(&identity);
    role.assign().await.map_err(|error| error.to_string())?;
    let requested = Instant::now();
    let cluster = lab
        .managed_cluster()
        .node_provisioning(NodeProvisioning::Auto)
        .identity(&identity)
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
    // The first node is not counted: in its first two seconds a custom resource definition delays what is created of it
    // by two seconds (kube-apiserver does that for the sake of other API servers), which no later pod meets.
    cluster.apply(deployment("first").cpu("1").on_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(pods("first").all_running()).within(minutes(2)).await.map_err(broken)?;
    let (before, known) = (lab.history().len(), cluster.nodes_of_pool("bench"));
    // Too much for what is left of the first node.
    cluster.apply(deployment("bench").cpu("1500m").on_pool("bench")).await.map_err(|error| error.to_string())?;
    cluster.expect(nodes().of_pool("bench").count(2)).within(minutes(2)).await.map_err(broken)?;
    cluster.expect(pods("bench").all_running()).within(minutes(2)).await.map_err(broken)?;
    let moments = Moments::read(lab.history(), before, &known).ok_or("the history lacks the pod or its node")?;
    Ok(Sample { api_server, reconciling, node: moments.node, pod: moments.pod, memory: lab.memory() })
}

/// Times from the moment at which the pod was there and pending.
struct Moments {
    node: Duration,
    pod: Duration,
}

impl Moments {
    fn read(history: &History, before: usize, known: &[String]) -> Option<Self> {
        let records = history.since(before);
        let first =
            |what: &dyn Fn(&Event) -> bool| records.iter().find(|record| what(&record.event)).map(|record| record.at);
        let is_ready = |object: &serde_json::Value| {
            let conditions = object["status"]["conditions"].as_array();
            conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
        };
        let seen = |event: &Event, wanted: &str, ready: bool| match event {
            Event::Kube { kind, object, .. } if kind == wanted => {
                let ours = match wanted {
                    "Pod" => object["metadata"]["labels"]["app"] == "bench",
                    _ => {
                        object["metadata"]["labels"]["karpenter.sh/nodepool"] == "bench"
                            && !known.iter().any(|name| object["metadata"]["name"] == name.as_str())
                    }
                };
                ours && (!ready || is_ready(object))
            }
            _ => false,
        };
        let pending = first(&|event| seen(event, "Pod", false))?;
        let since = |moment: jiff::Timestamp| Duration::try_from(moment.duration_since(pending)).ok();
        Some(Self {
            node: since(first(&|event| seen(event, "Node", true))?)?,
            pod: since(first(&|event| seen(event, "Pod", true))?)?,
        })
    }
}
