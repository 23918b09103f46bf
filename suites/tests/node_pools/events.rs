//! Events: what node auto-provisioning tells of its decisions, and what it owes to a pod that it leaves waiting.

use catnap::prelude::*;
use serde_json::Value;
use suites::versions::looks_at_subnets;

use super::*;

/// A cluster with a pool of machines of two vCPUs on which a deployment `web` of two pods came and went.
async fn a_scale_up_and_a_consolidation(lab: &Lab) -> Result<Cluster, Failure> {
    let cluster = cluster_with(lab, &[("p", node_pool("p").sizes(&[D2, D4]))]).await?;
    scale_up_and_down(&cluster).await?;
    Ok(cluster)
}

/// Two machines, one of which is not needed any more at the end, with a pod on it.
async fn scale_up_and_down(cluster: &Cluster) -> Outcome {
    cluster.apply(deployment("filler").replicas(2).cpu("3").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    for name in ["small-0", "small-1"] {
        cluster.apply(deployment(name).cpu("500m").on_pool("p")).await?;
        cluster.expect(pods(name).all_running()).within(minutes(5)).await?;
    }
    cluster.expect(nodes().of_pool("p").count(2)).now()?;
    cluster.scale("filler", 0).await?;
    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(pods("small-0").all_running().and(pods("small-1").all_running())).within(minutes(1)).await
}

/// EVT-01: deployment and scheduling decisions are told: to pods that a node is nominated for them, to node claims how far
/// they are, to nodes and node claims that they end and why, to pods that they are evicted.
#[scenario]
async fn decisions_are_told_as_events(lab: &Lab) -> Outcome {
    let cluster = a_scale_up_and_a_consolidation(lab).await?;

    cluster
        .expect(events("Nominated").about(Kind::Pod).named("filler").saying("nodeclaim/p-").seen())
        .within(minutes(1))
        .await?;
    for reason in ["Launched", "Registered", "Initialized", "Ready"] {
        let transition = events(reason).about(Kind::NodeClaim).named("p-").saying("Status condition transitioned");
        cluster.expect(transition.seen()).within(minutes(1)).await?;
    }
    cluster
        .expect(events("DisruptionTerminating").about(Kind::Node).saying("Underutilized").seen())
        .within(minutes(1))
        .await?;
    cluster
        .expect(events("DisruptionTerminating").about(Kind::NodeClaim).named("p-").seen())
        .within(minutes(1))
        .await?;
    cluster.expect(events("Evicted").about(Kind::Pod).named("small-").seen()).within(minutes(1)).await
}

/// EVT-02: `--field-selector source=karpenter` selects these events, all of them and no others.
#[scenario]
async fn the_field_selector_of_the_document_selects_them(lab: &Lab) -> Outcome {
    let cluster = a_scale_up_and_a_consolidation(lab).await?;
    let uid = |event: &Value| event["metadata"]["uid"].as_str().unwrap_or_default().to_owned();

    // In this order: what comes in between is selected and not asked about.
    let state = cluster.state();
    let selected: Vec<_> = cluster.events_from("karpenter").await?.iter().map(uid).collect();
    let all: Vec<_> = state.objects(Kind::Event).collect();
    let (own, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|event| event["source"]["component"] == "karpenter");
    let missing: Vec<_> =
        own.iter().filter(|event| !selected.contains(&uid(event))).map(|event| &event["reason"]).collect();
    let foreign: Vec<_> =
        others.iter().filter(|event| selected.contains(&uid(event))).map(|event| &event["reason"]).collect();

    lab.verify("events of the provisioner that are not selected", Vec::<&Value>::new(), missing)?;
    lab.verify("events of others that are", Vec::<&Value>::new(), foreign)?;
    lab.verify("some were selected", false, own.is_empty())?;
    lab.verify("there were others, the scheduler's for example", false, others.is_empty())
}

/// EVT-03: they can be watched as a stream, and come in the order in which things happen.
#[scenario]
async fn events_can_be_watched_as_they_come(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, &[("p", node_pool("p").sizes(&[D2, D4]))]).await?;

    let (seen, done) = cluster.watch_events_from("karpenter", scale_up_and_down(&cluster)).await?;
    done?;

    let position = |reason: &str, kind: &str| {
        seen.iter().position(|event| event["reason"] == reason && event["involvedObject"]["kind"] == kind)
    };
    let life = [
        ("Nominated", "Pod"),
        ("Launched", "NodeClaim"),
        ("Registered", "NodeClaim"),
        ("DisruptionTerminating", "Node"),
        ("Evicted", "Pod"),
    ];
    let positions = life.map(|(reason, kind)| position(reason, kind));
    lab.verify(&format!("{life:?} are all seen, at {positions:?}"), true, positions.iter().all(Option::is_some))?;
    lab.verify(&format!("{life:?} come in this order, at {positions:?}"), true, positions.is_sorted())
}

/// Why a pod is left waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hindrance {
    Limit,
    NoSize,
    Launch,
}

/// EVT-04: a pod that node auto-provisioning leaves pending has an event that says why: on the pod itself, or on its node
/// claim.
#[scenario]
#[case::beyond_the_limit(Hindrance::Limit)]
#[case::no_size_fits(Hindrance::NoSize)]
#[case::azure_refuses_the_launch(Hindrance::Launch)]
async fn a_pod_that_is_left_waiting_is_told_why(lab: &Lab, #[case] hindrance: Hindrance) -> Outcome {
    let pool = node_pool("p").sizes(&[D2]).consolidate_after("Never");
    let (pool, cpu) = match hindrance {
        Hindrance::Limit => (pool.limit("cpu", "1"), "1"),
        Hindrance::NoSize => (pool, "64"),
        Hindrance::Launch => (pool, "1"),
    };
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    if hindrance == Hindrance::Launch {
        // What the system pool has, and nothing more.
        lab.require::<Region>()?.set_regional_quota(Some(2));
    }

    cluster.apply(deployment("web").cpu(cpu).on_pool("p")).await?;

    let told = match hindrance {
        Hindrance::Limit => events("FailedScheduling").about(Kind::Pod).saying("exceed limits for nodepool"),
        Hindrance::NoSize => events("FailedScheduling").about(Kind::Pod).saying("no instance type"),
        Hindrance::Launch => events("InsufficientCapacityError").about(Kind::NodeClaim).saying("quota"),
    };
    cluster.expect(told.seen()).within(minutes(2)).await?;
    cluster.expect(pods("web").pending(1).and(nodes().of_pool("p").none())).throughout(LONG_ENOUGH).await
}

/// EVT-04: a pod that waits because the node class of the only pool is not ready is told so as well. 1.7.1 tells it
/// nothing: with no pool ready it does not try to schedule, and the node class alone has an event.
#[scenario]
async fn a_pod_that_waits_for_a_node_class_is_told_why(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let cluster = cluster_with(lab, &[("p", node_pool("p").sizes(&[D2]))]).await?;
    let elsewhere = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/none/providers\
                     /Microsoft.Network/virtualNetworks/none/subnets/none";
    cluster.apply(node_class("p").vnet_subnet_id(elsewhere)).await?;
    let waits = node_pool("p").condition("Ready").is_false("UnhealthyDependents", &[]);
    cluster.expect(waits).within(minutes(1)).await?;

    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;

    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;
    let class_tells = events("SubnetsReady").about(Kind::AksNodeClass).saying("SubnetIDInvalid");
    cluster.expect(class_tells.seen()).within(minutes(1)).await?;
    lab.known_fault(
        "no-word-to-a-pod-without-a-ready-pool",
        &["1.6.3", "1.7.1"],
        breaks("an event FailedScheduling about a Pod named web").with_sign(pods("web").pending(1)),
        async {
            let told = events("FailedScheduling").about(Kind::Pod).named("web").saying(NOT_SCHEDULED);
            cluster.expect(told.seen()).within(minutes(10)).await
        },
    )
    .await
}
