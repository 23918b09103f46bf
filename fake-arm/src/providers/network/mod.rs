//! `Microsoft.Network`: virtual networks, subnets and their addresses, interfaces, security groups, routes, load
//! balancers, public addresses, private names and endpoints. Other providers take addresses and attach interfaces
//! through the functions that are public here.

mod address_space;
mod addresses;
mod api_versions;
mod application_group;
mod attachment;
mod backend_pool;
mod delegation;
mod effective;
mod frontend;
mod inline;
mod interface;
mod interface_reservation;
mod ip_configuration;
mod links;
mod load_balancer;
mod load_balancing_rule;
mod nat_gateway;
mod network_usage;
mod peering;
mod prefix;
mod private_dns_zone;
mod private_endpoint;
mod public_address;
mod reference;
mod route_table;
mod security_group;
mod security_rule;
mod service_endpoint;
mod sku;
mod stored_interface;
mod subnet;
mod subnet_use;
mod types;
mod virtual_network;

pub use addresses::{
    IpFamily, allocate, allocate_of, capacity_left, release, release_after_cooldown, subnet_prefix, subnet_prefixes,
};
pub use api_versions::API_VERSIONS;
pub use attachment::{attach, delete_interface, detach, primary_address};
pub use delegation::{is_delegated, link_service, longest_prefix, unlink_service};
pub use effective::{network_context, passes, routes, rules};
pub use interface_reservation::reserve;
pub use peering::connected_networks;
pub use private_dns_zone::resolve;
pub use types::{
    APPLICATION_GROUP, INTERFACE, LOAD_BALANCER, NAT_GATEWAY, PEERING, PRIVATE_DNS_ZONE, PRIVATE_ENDPOINT,
    PUBLIC_ADDRESS, ROUTE_TABLE, SECURITY_GROUP, SUBNET, VIRTUAL_NETWORK,
};

#[cfg(test)]
mod tests;
