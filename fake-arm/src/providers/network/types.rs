//! Names of the resource types of `Microsoft.Network` that others refer to.

/// The type of application security groups.
pub const APPLICATION_GROUP: &str = "Microsoft.Network/applicationSecurityGroups";

/// The type of network interfaces.
pub const INTERFACE: &str = "Microsoft.Network/networkInterfaces";

/// The type of load balancers.
pub const LOAD_BALANCER: &str = "Microsoft.Network/loadBalancers";

/// The type of NAT gateways.
pub const NAT_GATEWAY: &str = "Microsoft.Network/natGateways";

/// The type of peerings.
pub const PEERING: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings";

/// The type of private DNS zones.
pub const PRIVATE_DNS_ZONE: &str = "Microsoft.Network/privateDnsZones";

/// The type of private endpoints.
pub const PRIVATE_ENDPOINT: &str = "Microsoft.Network/privateEndpoints";

/// The type of public IP addresses.
pub const PUBLIC_ADDRESS: &str = "Microsoft.Network/publicIPAddresses";

/// The type of route tables.
pub const ROUTE_TABLE: &str = "Microsoft.Network/routeTables";

/// The type of network security groups.
pub const SECURITY_GROUP: &str = "Microsoft.Network/networkSecurityGroups";

/// The type of subnets.
pub const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";

/// The type of virtual networks.
pub const VIRTUAL_NETWORK: &str = "Microsoft.Network/virtualNetworks";
