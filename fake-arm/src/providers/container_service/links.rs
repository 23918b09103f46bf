//! What managed clusters link to, and the right that it takes.

use crate::provider::Link;

/// What joins a subnet.
pub(super) const SUBNET_JOIN: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";

/// Of a managed cluster. Its own identities are asked for as those of any resource are.
pub(super) const MANAGED_CLUSTER: &[Link] = &[
    Link::new("properties.agentPoolProfiles[].vnetSubnetID", SUBNET_JOIN),
    Link::new("properties.agentPoolProfiles[].podSubnetID", SUBNET_JOIN),
    Link::new("properties.apiServerAccessProfile.subnetId", SUBNET_JOIN),
    Link::new(
        "properties.identityProfile.kubeletidentity.resourceId",
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    ),
];

/// Of an agent pool.
pub(super) const AGENT_POOL: &[Link] =
    &[Link::new("properties.vnetSubnetID", SUBNET_JOIN), Link::new("properties.podSubnetID", SUBNET_JOIN)];
