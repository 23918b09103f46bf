//! `Microsoft.Network`: virtual networks, subnets and their addresses, interfaces, security groups, routes, load
//! balancers, public addresses, private names and endpoints. Other providers take addresses and attach interfaces
//! through the functions that are public here.

mod address_book;
mod address_space;
mod allocation;
mod api_versions;
mod application_group;
mod attachment;
mod backend_pool;
mod delegation;
mod effective;
mod fixed_address;
mod frontend;
mod inline;
mod interface;
mod ip_configuration;
mod links;
mod load_balancer;
mod load_balancing_rule;
mod nat_gateway;
mod peering;
mod prefix;
mod private_dns_zone;
mod private_endpoint;
mod public_address;
mod reference;
mod reservation;
mod route_table;
mod security_group;
mod security_rule;
mod service_endpoint;
mod sku;
mod subnet;
mod subnet_usage;
mod subnet_use;
mod virtual_network;

pub use allocation::{
    Family, allocate, allocate_of, capacity_left, release, release_late, subnet_prefix, subnet_prefixes,
};
pub use api_versions::API_VERSIONS;
pub use application_group::APPLICATION_GROUP;
pub use attachment::{attach, delete_interface, detach, primary_address};
pub use delegation::{is_delegated, link_service, longest_prefix, unlink_service};
pub use effective::{passes, routes, rules, surroundings};
pub use interface::INTERFACE;
pub use load_balancer::LOAD_BALANCER;
pub use nat_gateway::NAT_GATEWAY;
pub use peering::{PEERING, connected_networks};
pub use private_dns_zone::{PRIVATE_DNS_ZONE, resolve};
pub use private_endpoint::PRIVATE_ENDPOINT;
pub use public_address::PUBLIC_ADDRESS;
pub use reservation::reserve;
pub use route_table::ROUTE_TABLE;
pub use security_group::SECURITY_GROUP;
pub use subnet::SUBNET;
pub use virtual_network::VIRTUAL_NETWORK;

#[cfg(test)]
mod tests;
