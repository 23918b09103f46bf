//! `Microsoft.Network`: virtual networks, subnets and their addresses, interfaces, security groups, load balancers and
//! public addresses. Other providers take addresses and attach interfaces through the functions that are public here.

mod address_book;
mod api_versions;
mod attachment;
mod inline;
mod interface;
mod ip_configuration;
mod links;
mod load_balancer;
mod prefix;
mod public_address;
mod reference;
mod security_group;
mod subnet;
mod virtual_network;

pub use address_book::{allocate, capacity_left, release, subnet_prefix};
pub use api_versions::API_VERSIONS;
pub use attachment::{attach, delete_interface, detach, primary_address};
pub use interface::INTERFACE;
pub use load_balancer::LOAD_BALANCER;
pub use public_address::PUBLIC_ADDRESS;
pub use security_group::SECURITY_GROUP;
pub use subnet::SUBNET;
pub use virtual_network::VIRTUAL_NETWORK;

#[cfg(test)]
mod tests;
