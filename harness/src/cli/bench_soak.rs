//! `catnap bench soak`: days in a lab whose workload comes in the morning and goes in the evening.

use std::time::Instant;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use miette::{Result, miette};

use super::parts::{PartsArgs, prepare_components};
use crate::clock::ClockKind;
use crate::expect::{Failure, disks, minutes, nics, node_claims, nodes, pods, vms};
use crate::lab::{Cluster, Lab, NodeProvisioning};
use crate::manifest::{deployment, node_class, node_pool};
use crate::process::{memory_of, probe_clock};
use crate::report::ProgressWriter;
use crate::settings::Settings;
use child_clock::ClockError;

/// The first moment of the soak, a Monday.
const BEGIN: &str = "2026-03-02T06:00:00Z";

/// The history holds what happened; a day of this lab is about eleven megabytes of it. More than this is a leak.
const GROWTH: u64 = 16 << 20;

/// How long to soak.
#[derive(Debug, Args)]
pub struct SoakArgs {
    /// Cluster days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub days: u32,
    /// Nodes that the workload needs by day
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub nodes: u32,
    /// Which real parts to use.
    #[command(flatten)]
    pub parts: PartsArgs,
}

pub(super) async fn bench_soak(args: SoakArgs) -> Result<u8> {
    probe_clock().map_err(|error: ClockError| miette!("days would take days here: {error}"))?;
    let parts = args.parts.clone().checked()?;
    prepare_components(&parts).await?;
    let mut settings = parts.settings("soak").map_err(|reason| miette!("{reason}"))?;
    settings.clock = ClockKind::Movable;
    let begin: Timestamp = BEGIN.parse().map_err(|error| miette!("{error}"))?;
    settings.begin = Some(begin);
    soak(&args, settings, begin).await.map_err(|reason| miette!("the lab did not come through: {reason}"))?;
    Ok(0)
}

async fn soak(args: &SoakArgs, settings: Settings, begin: Timestamp) -> std::result::Result<(), String> {
    let lab = Lab::start(settings, ProgressWriter::silent()).await;
    let lab = lab.map_err(|error| error.explain())?;
    let cluster = lab.managed_cluster().node_provisioning(NodeProvisioning::Auto).create().await;
    let cluster = cluster.map_err(|error| error.to_string())?;
    let applied = async {
        cluster.apply(node_class("soak")).await?;
        cluster.apply(node_pool("soak").consolidate_after("10m")).await?;
        cluster.apply(deployment("soak").replicas(0).cpu("1").on_pool("soak").one_per_node()).await
    };
    applied.await.map_err(|error| error.to_string())?;

    let told = |failure: Failure| failure.text().to_owned();
    // The nodes that AKS itself makes: without them there would be nothing that could become not ready at night.
    cluster.expect(nodes().all_ready()).within(minutes(5)).await.map_err(told)?;
    let begun = Instant::now();
    let mark = cluster.mark();
    let (mut first, mut last) = (None, None);
    println!("{:<10} {:>10} {:>12} {:>14} {:>16}", "day", "wall", "records", "catnap", "all processes");
    for day in 0..args.days {
        let at = |hour: i64| begin + SignedDuration::from_hours(24 * i64::from(day) + hour);
        one_day(&lab, &cluster, args.nodes, at).await.map_err(|failure| format!("day {}: {failure}", day + 1))?;
        let own = memory_of("self");
        let all = own.unwrap_or_default() + lab.memory().iter().map(|(_, bytes)| bytes).sum::<u64>();
        println!(
            "{:<10} {:>8.1} s {:>12} {:>10} MiB {:>12} MiB",
            day + 1,
            begun.elapsed().as_secs_f64(),
            lab.history().len(),
            own.unwrap_or_default() >> 20,
            all >> 20,
        );
        // The first day fills what is filled once.
        first = first.or(own.filter(|_| day > 0).map(|bytes| (day, bytes)));
        last = own.map(|bytes| (day, bytes));
    }
    cluster.expect(nodes().all_ready_as_ever()).at_every_instant_since(&mark).map_err(told)?;
    println!("no node stopped being ready, no machine, interface or disk was left");
    if let (Some((from, before)), Some((to, after))) = (first, last)
        && to > from
    {
        let growth = after.saturating_sub(before) / u64::from(to - from);
        println!("catnap, with fake-arm and the history, grew by {:.1} MiB a day", growth as f64 / f64::from(1 << 20));
        if growth > GROWTH {
            return Err(format!("its memory grew by more than {} MiB a day", GROWTH >> 20));
        }
    }
    Ok(())
}

/// From six in the morning to six in the next: work from eight to eight.
async fn one_day(
    lab: &Lab,
    cluster: &Cluster,
    count: u32,
    at: impl Fn(i64) -> Timestamp,
) -> std::result::Result<(), String> {
    let told = |failure: Failure| failure.text().to_owned();
    let wanted = count as usize;
    lab.clock().advance_to(at(2)).await;
    cluster.scale("soak", count).await.map_err(|error| error.to_string())?;
    cluster.expect(pods("soak").running(wanted)).within(minutes(10)).await.map_err(told)?;
    cluster.expect(nodes().of_pool("soak").count(wanted)).now().map_err(told)?;
    lab.clock().advance_to(at(14)).await;
    cluster.expect(pods("soak").running(wanted)).now().map_err(told)?;
    cluster.scale("soak", 0).await.map_err(|error| error.to_string())?;
    cluster.expect(node_claims().none()).within(minutes(90)).await.map_err(told)?;
    let nothing = vms().none().and(nics().none()).and(disks().none());
    cluster.expect(nothing).within(minutes(10)).await.map_err(told)?;
    lab.clock().advance_to(at(24)).await;
    Ok(())
}
