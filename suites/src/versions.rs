//! What older versions of the provisioner do not do yet, so that scenarios about it have nothing to say of them. Each asks
//! here, and is skipped with the reason. What a version does wrong is no matter of age and stands in `FINDINGS.md`.

use std::time::Duration;

use catnap::prelude::*;

/// From 1.6 on a node class has the condition `SubnetsReady`, and is not Ready while its subnet is missing or elsewhere.
#[must_use]
pub fn looks_at_subnets(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.6.0", "a node class looks at its subnet (SubnetsReady)")
}

/// The subnet of a node class is in order: `SubnetsReady`, where the version [looks at it](looks_at_subnets).
pub fn subnet_is_ready(lab: &Lab, class: &str) -> Expectation {
    if lab.provisioner_is_since("1.6.0") {
        node_class(class).condition("SubnetsReady").is_true()
    } else {
        node_class(class).ready()
    }
}

/// From 1.7 on a subnet that cannot be read makes `SubnetsReady` False, with Azure's answer. 1.6 leaves the condition as it
/// is, so that a node class stays Ready when the right to read is taken away, and says nothing where there never was one.
#[must_use]
pub fn tells_of_unreadable_subnets(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.7.0", "a node class tells that its subnet cannot be read (SubnetUnknownError)")
}

/// From 1.7 on a subnet of one's own is refused where the cluster's network is AKS's.
#[must_use]
pub fn refuses_managed_networks(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.7.0", "a custom subnet in a network that AKS manages is refused")
}

/// From 1.7 on a launch that Azure refuses is given up after five minutes. Older versions try until the time for
/// registration is over, a quarter of an hour.
#[must_use]
pub fn gives_up_launches(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.7.0", "a launch that is refused is given up after five minutes")
}

/// How long a launch that Azure refuses is tried: see [`gives_up_launches`].
#[must_use]
pub fn time_for_launches(lab: &Lab) -> Duration {
    if lab.provisioner_is_since("1.7.0") { minutes(5) } else { minutes(15) }
}

/// From 1.7 on a pod with two pod disruption budgets keeps its node, since Kubernetes evicts no such pod. Older versions look
/// at each budget alone, choose the node and make its replacement, and then wait for an eviction that never succeeds.
#[must_use]
pub fn sees_that_two_budgets_forbid_eviction(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.7.0", "a pod with two pod disruption budgets keeps its node")
}

/// From 1.7 on the provisioner knows `NODE_OSDISK_DISKENCRYPTIONSET_ID`.
#[must_use]
pub fn knows_disk_encryption_sets(lab: &Lab) -> bool {
    lab.has_provisioner_since("1.7.0", "NODE_OSDISK_DISKENCRYPTIONSET_ID")
}

/// Somebody is told that no size is left to choose from, for any node pool: from 1.7 on each pod that waits for it, before
/// that the node pool `pool` alone.
pub fn told_that_no_size_is_left(lab: &Lab, pod: &str, pool: &str) -> Expectation {
    if lab.provisioner_is_since("1.7.0") {
        events("FailedScheduling").about("Pod").named(pod).saying("Failed to schedule pod").seen()
    } else {
        events("NoCompatibleInstanceTypes").about("NodePool").named(pool).seen()
    }
}
