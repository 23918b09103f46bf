//! Addresses for tests, from their texts.

use std::net::IpAddr;

use ipnet::IpNet;

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}
