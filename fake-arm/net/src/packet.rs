//! A packet, as far as rules and routes look at it.

use std::net::IpAddr;

/// A transport protocol. Protocols without ports match whatever ports a rule names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// IPsec's encapsulated payload.
    Esp,
    /// IPsec's authentication header.
    Ah,
}

impl Protocol {
    /// As security rules name it, in any letter case; `None` for `*` and for an unknown name.
    pub fn parse(text: &str) -> Option<Self> {
        let known =
            [("Tcp", Self::Tcp), ("Udp", Self::Udp), ("Icmp", Self::Icmp), ("Esp", Self::Esp), ("Ah", Self::Ah)];
        known.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, protocol)| *protocol)
    }

    /// It has ports.
    pub fn has_ports(self) -> bool {
        matches!(self, Self::Tcp | Self::Udp)
    }
}

/// A packet that opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Who sends it.
    pub source: IpAddr,
    /// Who is to have it.
    pub destination: IpAddr,
    /// Its protocol.
    pub protocol: Protocol,
    /// The sender's port; 0 for a protocol without.
    pub source_port: u16,
    /// The receiver's port; 0 for a protocol without.
    pub destination_port: u16,
}

impl Packet {
    /// TCP from a port of the sender's choice.
    pub fn tcp(source: IpAddr, destination: IpAddr, port: u16) -> Self {
        Self { source, destination, protocol: Protocol::Tcp, source_port: 49152, destination_port: port }
    }

    /// UDP from a port of the sender's choice.
    pub fn udp(source: IpAddr, destination: IpAddr, port: u16) -> Self {
        Self { protocol: Protocol::Udp, ..Self::tcp(source, destination, port) }
    }
}
