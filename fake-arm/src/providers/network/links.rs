//! What network resources link to, and the right that it takes.

use crate::provider::Link;

const SUBNET_JOIN: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";
const GROUP_JOIN: &str = "Microsoft.Network/networkSecurityGroups/join/action";
const ROUTES_JOIN: &str = "Microsoft.Network/routeTables/join/action";
const GATEWAY_JOIN: &str = "Microsoft.Network/natGateways/join/action";
const POLICY_JOIN: &str = "Microsoft.Network/serviceEndpointPolicies/join/action";
const ADDRESS_JOIN: &str = "Microsoft.Network/publicIPAddresses/join/action";
const POOL_JOIN: &str = "Microsoft.Network/loadBalancers/backendAddressPools/join/action";
const RULE_JOIN: &str = "Microsoft.Network/loadBalancers/inboundNatRules/join/action";

/// Of a network interface.
pub(super) const INTERFACE: &[Link] = &[
    Link::new("properties.ipConfigurations[].properties.subnet.id", SUBNET_JOIN),
    Link::new("properties.ipConfigurations[].properties.publicIPAddress.id", ADDRESS_JOIN),
    Link::new("properties.ipConfigurations[].properties.loadBalancerBackendAddressPools[].id", POOL_JOIN),
    Link::new("properties.ipConfigurations[].properties.loadBalancerInboundNatRules[].id", RULE_JOIN),
    Link::new("properties.networkSecurityGroup.id", GROUP_JOIN),
];

/// Of a subnet.
pub(super) const SUBNET: &[Link] = &[
    Link::new("properties.networkSecurityGroup.id", GROUP_JOIN),
    Link::new("properties.routeTable.id", ROUTES_JOIN),
    Link::new("properties.natGateway.id", GATEWAY_JOIN),
    Link::new("properties.serviceEndpointPolicies[].id", POLICY_JOIN),
];

/// Of a virtual network: of the subnets in its body.
pub(super) const VIRTUAL_NETWORK: &[Link] = &[
    Link::new("properties.subnets[].properties.networkSecurityGroup.id", GROUP_JOIN),
    Link::new("properties.subnets[].properties.routeTable.id", ROUTES_JOIN),
    Link::new("properties.subnets[].properties.natGateway.id", GATEWAY_JOIN),
    Link::new("properties.subnets[].properties.serviceEndpointPolicies[].id", POLICY_JOIN),
];

/// Of a load balancer.
pub(super) const LOAD_BALANCER: &[Link] = &[
    Link::new("properties.frontendIPConfigurations[].properties.subnet.id", SUBNET_JOIN),
    Link::new("properties.frontendIPConfigurations[].properties.publicIPAddress.id", ADDRESS_JOIN),
];
