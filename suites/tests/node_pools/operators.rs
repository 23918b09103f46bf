//! The six operators of requirements, and how requirements are combined with the pods' own.

use catnap::prelude::*;

use super::offer::{Machine, Requirement, requires};
use super::*;

/// NP-06, NP-07, NP-08, NP-09, NP-10: an operator means what it means in Kubernetes.
#[scenario]
#[case::is_in(requires(SKU_NAME, "In", &["Standard_D8s_v5", "Standard_E8s_v5"]), &["D", "E"])]
#[case::not_in(requires(SKU_FAMILY, "NotIn", &["B", "D"]), &[])]
#[case::exists(requires(SKU_GPU_NAME, "Exists", &[]), &["D", "N"])]
#[case::does_not_exist(requires(SKU_GPU_NAME, "DoesNotExist", &[]), &["L", "N"])]
#[case::greater_than(requires(SKU_CPU, "Gt", &["4"]), &["D"])]
async fn an_operator_means_what_it_means_in_kubernetes(
    lab: &Lab,
    #[case] requirement: Requirement,
    #[case] families: &'static [&'static str],
) -> Outcome {
    let family = requires(SKU_FAMILY, if families.is_empty() { "Exists" } else { "In" }, families);
    let pool = requirement.put_on(family.put_on(any_size("p")));
    let cluster = cluster_with(lab, &[("p", pool)]).await?;

    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;

    let machine = Machine::of_pool(lab, &cluster, "p")?;
    let fact = machine.fact(requirement.key);
    let meets = requirement.is_met_by(fact.as_deref());
    lab.verify(&format!("{} with {fact:?} meets {requirement:?}", machine.size.name), true, meets)?;
    // Without the requirement a cheaper size of these families would have been taken, which does not meet it.
    let cheapest =
        offer::cheapest(lab.require::<Region>()?, |size| family.is_met_by(offer::fact(size, SKU_FAMILY).as_deref()));
    lab.verify("a cheaper size is passed over", true, offer::price(lab.require::<Region>()?, machine.size) > cheapest)
}

/// NP-11: `Lt` bounds the size of machines: a pod that is too large for all of these stays pending, and an event says so.
#[scenario]
async fn a_pod_too_large_for_the_sizes_below_stays_pending(lab: &Lab) -> Outcome {
    let below = requires(SKU_CPU, "Lt", &["5"]);
    let cluster = cluster_with(lab, &[("p", below.put_on(any_size("p")))]).await?;

    cluster.apply(deployment("small").cpu("3").on_pool("p")).await?;
    cluster.expect(pods("small").all_running()).within(minutes(5)).await?;
    let machine = Machine::of_pool(lab, &cluster, "p")?;
    let meets = below.is_met_by(machine.fact(SKU_CPU).as_deref());
    lab.verify(&format!("{} meets {below:?}", machine.size.name), true, meets)?;

    cluster.apply(deployment("large").cpu("5").on_pool("p")).await?;
    cluster
        .expect(events("FailedScheduling").about(Kind::Pod).named("large").saying(NOT_SCHEDULED).seen())
        .within(minutes(1))
        .await?;
    cluster.expect(pods("large").pending(1).and(nodes().of_pool("p").count(1))).throughout(LONG_ENOUGH).await
}

/// NP-12: a pool's requirements are combined with a pod's node affinity: of the pool's families the pod's one is taken,
/// and a family that is not the pool's is not made for the pod.
#[scenario]
async fn requirements_are_combined_with_a_pods_affinity(lab: &Lab) -> Outcome {
    let pool = any_size("p").requirement(SKU_FAMILY, "In", &["D", "F"]);
    let cluster = cluster_with(lab, &[("p", pool)]).await?;

    cluster.apply(deployment("none").cpu("1").on_pool("p").node_affinity(SKU_FAMILY, "In", &["E"])).await?;
    // A D size is cheaper: F is taken for the pod's sake alone.
    cluster.apply(deployment("some").cpu("1").on_pool("p").node_affinity(SKU_FAMILY, "In", &["F"])).await?;
    cluster.expect(pods("some").all_running()).within(minutes(5)).await?;

    let machine = Machine::of_pool(lab, &cluster, "p")?;
    lab.verify("the family of the node", Some("F".to_owned()), machine.fact(SKU_FAMILY))?;
    let both = requires(SKU_FAMILY, "In", &["D", "F"]);
    let cheapest =
        offer::cheapest(lab.require::<Region>()?, |size| both.is_met_by(offer::fact(size, SKU_FAMILY).as_deref()));
    lab.verify(
        "a cheaper size of the pool is passed over",
        true,
        offer::price(lab.require::<Region>()?, machine.size) > cheapest,
    )?;
    cluster
        .expect(events("FailedScheduling").about(Kind::Pod).named("none").saying(NOT_SCHEDULED).seen())
        .within(minutes(1))
        .await?;
    cluster.expect(pods("none").pending(1).and(nodes().of_pool("p").count(1))).throughout(LONG_ENOUGH).await
}
