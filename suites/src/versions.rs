//! What older versions of the provisioner do not do yet, so that scenarios about it have nothing to say of them. Each asks
//! here, and is skipped with the reason. What a version does wrong is no matter of age and stands in `FINDINGS.md`.

use std::time::Duration;

use catnap::expect::RequestSelection;
use catnap::prelude::*;

/// From 1.6 on a node class has the condition `SubnetsReady`, and is not Ready while its subnet is missing or elsewhere.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn looks_at_subnets(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.6.0", "a node class looks at its subnet (SubnetsReady)")
}

/// The subnet of a node class is in order: `SubnetsReady`, where the version [looks at it](looks_at_subnets).
pub fn subnet_is_ready(lab: &Lab, class: &str) -> Expectation {
    if lab.provisioner_is_since("1.6.0") {
        node_class(class).condition("SubnetsReady").is_true()
    } else {
        node_class(class).ready()
    }
}

/// These reads of a subnet were made, where the version [looks at it](looks_at_subnets); older ones make none.
pub fn made_where_subnets_are_looked_at(lab: &Lab, reads: RequestSelection) -> Expectation {
    if lab.provisioner_is_since("1.6.0") { reads.any() } else { reads.none() }
}

/// From 1.7 on a subnet that cannot be read makes `SubnetsReady` False, with Azure's answer. 1.6 leaves the condition as it
/// is, so that a node class stays Ready when the right to read is taken away, and says nothing where there never was one.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn tells_of_unreadable_subnets(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.7.0", "a node class tells that its subnet cannot be read (SubnetUnknownError)")
}

/// From 1.7 on a subnet of one's own is refused where the cluster's network is AKS's.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn refuses_managed_networks(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.7.0", "a custom subnet in a network that AKS manages is refused")
}

/// From 1.6 on an empty node that has drifted goes before the others. Older versions leave it to consolidation, and where
/// that is turned off it stays.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn takes_empty_nodes_that_drifted(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.6.0", "an empty node that has drifted is removed without consolidation")
}

/// From 1.6 on tags of a node class are put on what is there. Before, they were a field like any other, and replaced the
/// nodes.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn puts_tags_in_place(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.6.0", "tags of a node class are put on what is there")
}

/// How old a node is when its size is first looked for among those that Azure sells: an hour from 1.6 on, nothing before.
#[must_use]
pub fn age_at_which_sizes_are_looked_for(lab: &Lab) -> Duration {
    if lab.provisioner_is_since("1.6.0") { hours(1) } else { Duration::ZERO }
}

/// From 1.6 on the prices that are part of the program, which it goes by without Azure's price list, are those of the
/// catalog. Older versions carry older ones, by which another size may be the cheapest.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn has_the_prices_of_the_catalog(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.6.0", "the prices of the catalog")
}

/// What a node's label tells of the room for an ephemeral OS disk, in GB. Before 1.6 it has a fraction, left out here.
#[must_use]
pub fn whole_gigabytes(lab: &Lab, label: String) -> String {
    match label.split_once('.') {
        Some((whole, _)) if !lab.provisioner_is_since("1.6.0") => whole.to_owned(),
        _ => label,
    }
}

/// From 1.6 on the replacement of a node is there before the node's pods are taken for pods without one. Older versions do it
/// the other way round: a provisioner that looks in between makes a second node for them, and without consolidation both
/// stay. It is a matter of milliseconds, and so no known fault that a run could expect.
#[must_use]
pub fn makes_each_replacement_once(lab: &Lab) -> bool {
    lab.provisioner_is_since("1.6.0")
}

/// From 1.7 on a launch that Azure refuses is given up after five minutes. Older versions try until the time for
/// registration is over, a quarter of an hour.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn gives_up_launches(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.7.0", "a launch that is refused is given up after five minutes")
}

/// How long a launch that Azure refuses is tried: see [`gives_up_launches`].
#[must_use]
pub fn time_for_launches(lab: &Lab) -> Duration {
    if lab.provisioner_is_since("1.7.0") { minutes(5) } else { minutes(15) }
}

/// From 1.7 on a pod with two pod disruption budgets keeps its node, since Kubernetes evicts no such pod. Older versions look
/// at each budget alone, choose the node and make its replacement, and then wait for an eviction that never succeeds.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn sees_that_two_budgets_forbid_eviction(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.7.0", "a pod with two pod disruption budgets keeps its node")
}

/// From 1.7 on the provisioner knows `NODE_OSDISK_DISKENCRYPTIONSET_ID`.
///
/// # Errors
/// The reason for which the scenario is skipped, with an older version.
pub fn knows_disk_encryption_sets(lab: &Lab) -> Outcome {
    lab.needs_provisioner_since("1.7.0", "NODE_OSDISK_DISKENCRYPTIONSET_ID")
}

/// Somebody is told that no size is left to choose from, for any node pool: from 1.7 on each pod that waits for it, before
/// that the node pool `pool` alone.
pub fn told_that_no_size_is_left(lab: &Lab, pod_is_told: Expectation, pool: &str) -> Expectation {
    if lab.provisioner_is_since("1.7.0") {
        pod_is_told
    } else {
        events("NoCompatibleInstanceTypes").about(Kind::NodePool).named(pool).seen()
    }
}
