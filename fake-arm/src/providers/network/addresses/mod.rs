//! The addresses of subnets: who has which, how they are taken and given back.

mod address_book;
mod allocation;
pub(super) mod fixed_address;

pub(super) use address_book::AddressBook;
pub use allocation::{
    IpFamily, allocate, allocate_of, capacity_left, release, release_after_cooldown, subnet_prefix, subnet_prefixes,
};
pub(super) use allocation::{free_addresses, hold_ends, subnet_is_full};
