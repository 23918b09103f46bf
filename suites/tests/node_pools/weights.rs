//! `spec.weight`: which of the node pools that fit is used first.

use catnap::prelude::*;

use super::*;

/// The label by which pods may go to either pool.
const TIER: &str = "example.com/tier";

fn pool(name: &str) -> NodePool {
    node_pool(name).sizes(&[D2]).label(TIER, "web").consolidate_after("Never")
}

/// NP-36, NP-37: the pool of the higher weight is used, one without a weight counts as 0, and where the preferred pool
/// cannot serve, the other does. The preferred pool comes last by name: it is not the order of names that decides.
#[scenario]
#[case::ten_and_fifty(pool("a").weight(10), pool("b").weight(50))]
#[case::none_and_one(pool("a"), pool("b").weight(1))]
async fn the_pool_of_the_higher_weight_is_used_first(
    lab: &Lab,
    #[case] lower: NodePool,
    #[case] higher: NodePool,
) -> Outcome {
    let pools = [("a", lower), ("b", higher.limit("cpu", "2"))];
    let cluster = cluster_with(lab, &pools).await?;
    let mark = cluster.mark();

    cluster.apply(deployment("first").cpu("1500m").node_selector(TIER, "web")).await?;
    cluster.expect(pods("first").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("b").count(1)).now()?;
    cluster.expect(node_claims().of_pool("a").none()).at_every_instant_since(&mark)?;

    // The preferred pool has reached its limit.
    cluster.apply(deployment("second").cpu("1500m").node_selector(TIER, "web")).await?;
    cluster.expect(pods("second").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("a").count(1).and(nodes().of_pool("b").count(1))).now()
}

/// NP-37, NP-44: the document's weight of 0 is that of a pool without one, and cannot be written: weights go from 1 to
/// 100.
#[scenario]
#[case::nothing(0)]
#[case::too_much(101)]
async fn a_weight_out_of_range_is_refused(lab: &Lab, #[case] weight: u32) -> Outcome {
    // The control: the ends of the range are taken.
    let cluster = cluster_with(lab, &[("low", pool("low").weight(1)), ("high", pool("high").weight(100))]).await?;

    let refused = cluster.apply(pool("p").weight(weight)).await.err();

    lab.verify("the status", Some(422), refused.as_ref().and_then(ClusterError::code))?;
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("{text:?} names the field"), true, text.contains("spec.weight"))?;
    cluster.expect(node_pool("p").absent().and(node_pool("low").exists())).now()
}
