//! Where Azure cannot give what is asked for: quotas and shortages. Another offering is taken, and the one that was
//! refused is left alone for a while.

use std::time::Duration;

use catnap::prelude::*;

use super::*;

/// Two sizes of the same kind and of two families, the first of them cheaper.
const CHEAPER: &str = "Standard_D2as_v5";
const DEARER: &str = "Standard_D2ads_v5";
const CHEAPER_FAMILY: &str = "standardDASv5Family";

/// NP-45: a size for which Azure has no room is left alone, the next offering serves, and the size is tried again when
/// the time is over for which the refusal is remembered: an hour, or 23 where an on-demand size is not available at all.
#[scenario]
#[case::sku_not_available(ShortageKind::SkuNotAvailable, hours(23))]
#[case::zonal_allocation_failed(ShortageKind::ZonalAllocationFailed, hours(1))]
#[case::allocation_failed(ShortageKind::AllocationFailed, hours(1))]
#[case::overconstrained_zonal_allocation(ShortageKind::OverconstrainedZonalAllocationRequest, hours(1))]
#[case::overconstrained_allocation(ShortageKind::OverconstrainedAllocationRequest, hours(1))]
async fn another_offering_serves_where_azure_has_no_room(
    lab: &Lab,
    #[case] kind: ShortageKind,
    #[case] remembered_for: Duration,
) -> Outcome {
    lab.wait_of(remembered_for + minutes(2))?;
    // One zone: some refusals are of a zone, and the others would be tried.
    let pool = node_pool("p").sizes(&[CHEAPER, DEARER]).requirement(ZONE, "In", &["eastus-1"]);
    let cluster = cluster_with(lab, &[("p", pool.consolidate_after("Never"))]).await?;
    let one_more = async |name: &str, of_the_cheaper_size: usize| {
        cluster.apply(deployment(name).cpu("1500m").on_pool("p")).await?;
        cluster.expect(pods(name).all_running()).within(minutes(10)).await?;
        cluster.expect(nodes().of_pool("p").of_size(CHEAPER).count(of_the_cheaper_size)).now()
    };
    lab.require::<Region>()?.exhaust_capacity(CHEAPER, kind);
    one_more("first", 0).await?;
    lab.require::<Region>()?.restore_capacity();

    lab.clock().advance(remembered_for.saturating_sub(minutes(11))).await;
    one_more("second", 0).await?;

    lab.clock().advance(minutes(12)).await;
    one_more("third", 1).await
}

/// NP-32: node auto-provisioning stays within the quota of a family: the rest of the load goes to another family, and
/// refusals do not go on without end.
#[scenario]
async fn a_load_beyond_a_familys_quota_goes_to_another_family(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[CHEAPER, DEARER]).consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    lab.require::<Region>()?.set_family_quota(CHEAPER_FAMILY, Some(4));
    let mark = cluster.mark();

    // Each pod fills a machine of two vCPUs: two are within the quota.
    cluster.apply(deployment("web").replicas(6).cpu("1500m").on_pool("p")).await?;

    cluster.expect(pods("web").all_running()).within(minutes(15)).await?;
    cluster.expect(nodes().of_pool("p").of_size(CHEAPER).at_most(2)).at_every_instant_since(&mark)?;
    cluster.expect(nodes().of_pool("p").of_size(CHEAPER).at_least(1)).now()?;
    cluster.expect(nodes().of_pool("p").of_size(DEARER).at_least(4)).now()?;
    // Each of the six node claims may be refused once and, where the first was taken for one, once more.
    cluster.expect(requests(VM_WRITE).since(&mark).answered(409).at_least(1)).now()?;
    cluster.expect(requests(VM_WRITE).since(&mark).answered(409).at_most(12)).now()?;
    let refused = cluster.mark();
    cluster.expect(requests(VM_WRITE).since(&refused).none()).throughout(minutes(5)).await
}

/// NP-32, NP-45: beyond the quota of the whole region no other size helps: nothing more is made, an event tells the quota,
/// and when the quota is raised the pod runs.
#[scenario]
async fn beyond_the_regions_quota_nothing_is_made_until_it_is_raised(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[CHEAPER, DEARER]).consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    // The system pool has two vCPUs, the first node another two.
    lab.require::<Region>()?.set_regional_quota(Some(5));
    cluster.apply(deployment("first").cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("first").all_running()).within(minutes(5)).await?;

    cluster.apply(deployment("second").cpu("1500m").on_pool("p")).await?;

    let told = events("InsufficientCapacityError").about(Kind::NodeClaim).saying("regional on-demand vCPU quota limit");
    cluster.expect(told.seen()).within(minutes(2)).await?;
    let stuck = pods("second").pending(1).and(vms().of_pool("p").count(1)).and(node_claims().of_pool("p").at_most(2));
    cluster.expect(stuck).throughout(minutes(2)).await?;

    lab.require::<Region>()?.set_regional_quota(None);
    cluster.expect(pods("second").all_running()).within(minutes(5)).await
}

/// NP-45: where the quota of spot machines is used up, a pool that allows both goes on with on-demand machines.
#[scenario]
async fn without_spot_quota_on_demand_machines_serve(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[CHEAPER]).requirement(CAPACITY_TYPE, "In", &["spot", "on-demand"]);
    let cluster = cluster_with(lab, &[("p", pool.consolidate_after("Never"))]).await?;
    lab.require::<Region>()?.set_spot_quota(Some(2));
    let of_kind = |kind: &str| vms().of_pool("p").all_with("/properties/priority", kind);

    cluster.apply(deployment("first").cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("first").all_running()).within(minutes(5)).await?;
    cluster.expect(of_kind("Spot")).now()?;

    cluster.apply(deployment("second").cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("second").all_running()).within(minutes(5)).await?;
    cluster.expect(vms().of_pool("p").count(2)).now()?;
    cluster.expect(of_kind("Spot").not().and(of_kind("Regular").not())).now()
}
