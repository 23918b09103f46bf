//! Ports for children to listen on, leased so that no two labs choose the same.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};

/// A TCP port that no other lab on this machine will choose while the lease lives.
///
/// The lease *is* a UDP socket bound to the same number on loopback. UDP and TCP ports are apart, so the child can
/// still listen; the kernel lets only one socket have it, across processes and users; it lies in the network namespace
/// that the port lies in; and it is gone with the harness however that ends, so that nothing has to be cleaned up. A
/// stranger who knows nothing of leases can still take the port before the child binds it: see
/// [`ProcessError::is_port_taken`](super::ProcessError::is_port_taken).
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _held: UdpSocket,
}

/// No port can be leased.
#[derive(Debug, thiserror::Error)]
#[error("failed to find a free port in {first}-{last}: all are taken; stop what listens there")]
pub struct PortError {
    first: u16,
    last: u16,
}

/// Where the next search starts: each lease moves it on, so that a port just given back is not chosen at once.
static NEXT: AtomicU16 = AtomicU16::new(0);

impl PortLease {
    /// Leases a free port.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn take() -> Result<Self, PortError> {
        let range = range(ephemeral_ports());
        let size = range.end() - range.start() + 1;
        // Processes start at different places; which port it becomes is of no meaning to a scenario.
        let offset = (std::process::id().wrapping_mul(2_654_435_761) >> 16) as u16;
        for _ in 0..size {
            let turn = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = range.start() + offset.wrapping_add(turn) % size;
            if let Some(lease) = Self::of(port) {
                return Ok(lease);
            }
        }
        Err(PortError { first: *range.start(), last: *range.end() })
    }

    fn of(port: u16) -> Option<Self> {
        let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        // Some children bind all addresses, some only loopback: both must be possible.
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).ok()?;
        let six = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port));
        if six.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
            return None;
        }
        Some(Self { port, _held: held })
    }

    /// The port's number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on loopback.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// What the kernel gives to outgoing connections: a port from there could be taken at any moment.
fn ephemeral_ports() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The ports to choose from: below the ephemeral ones, above those of well-known services; over them where there is
/// no room below; in spite of them where there is no room at all.
fn range(ephemeral: Option<(u16, u16)>) -> RangeInclusive<u16> {
    const LOWEST: u16 = 15_000;
    // 30000-32767 are node ports of clusters that may run on the same machine.
    const HIGHEST: u16 = 29_999;
    const ENOUGH: u16 = 500;
    match ephemeral {
        Some((first, _)) if first >= LOWEST + ENOUGH => LOWEST..=HIGHEST.min(first - 1),
        Some((_, last)) if last <= u16::MAX - ENOUGH => last + 1..=u16::MAX,
        _ => LOWEST..=HIGHEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_chosen_outside_the_ephemeral_range_where_there_is_room() {
        assert_eq!(range(Some((32_768, 60_999))), 15_000..=29_999);
        assert_eq!(range(Some((16_000, 60_999))), 15_000..=15_999);
        assert_eq!(range(Some((1_024, 60_999))), 61_000..=65_535);
        assert_eq!(range(Some((1_024, 65_535))), 15_000..=29_999);
        assert_eq!(range(None), 15_000..=29_999);
    }

    #[test]
    fn no_two_leases_are_of_the_same_port() {
        let leases: Vec<PortLease> = (0..50).map(|_| PortLease::take().unwrap()).collect();
        let mut ports: Vec<u16> = leases.iter().map(PortLease::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
        assert!(PortLease::of(ports[0]).is_none(), "a leased port must not be leased again");
    }

    #[test]
    fn a_child_can_listen_on_a_leased_port() {
        let lease = PortLease::take().unwrap();
        TcpListener::bind(lease.address()).unwrap();
    }

    #[test]
    fn a_port_that_a_stranger_listens_on_is_not_leased() {
        let lease = PortLease::take().unwrap();
        let port = lease.port();
        drop(lease);
        let _stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(PortLease::of(port).is_none());
    }
}
