//! Address ranges of a cluster that get in each other's way. AKS refuses some of them when a cluster is created; nothing
//! looks at a subnet that only a node class names (Microsoft's document on networking of node auto-provisioning,
//! "Understand subnet and CIDR ranges").

use std::fmt;

use ipnet::IpNet;

use super::overlap;

/// What a range is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Addresses of pods in an overlay.
    Pods,
    /// Addresses of services.
    Services,
    /// A subnet of the cluster's network, by name.
    Subnet(String),
    /// A network that is reached through a peering or a gateway, by name.
    Remote(String),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods => f.write_str("the pod range"),
            Self::Services => f.write_str("the service range"),
            Self::Subnet(name) => write!(f, "subnet {name}"),
            Self::Remote(name) => write!(f, "the remote network {name}"),
        }
    }
}

/// A range and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// What it is for.
    pub purpose: Purpose,
    /// Its addresses.
    pub prefix: IpNet,
}

impl Range {
    /// A range.
    pub fn new(purpose: Purpose, prefix: impl Into<IpNet>) -> Self {
        Self { purpose, prefix: prefix.into() }
    }
}

/// Two ranges that share addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The one whose meaning wins where the addresses meet.
    pub wins: Range,
    /// The one whose addresses are not what they seem.
    pub shadowed: Range,
}

impl Conflict {
    /// What is broken by it.
    pub fn consequence(&self) -> &'static str {
        match (&self.wins.purpose, &self.shadowed.purpose) {
            (Purpose::Services, Purpose::Subnet(_)) => {
                "what is sent to machines with these addresses from within the cluster is taken for a service's and lost"
            }
            (Purpose::Services, Purpose::Pods) => "pods with these addresses are taken for services",
            (Purpose::Services, Purpose::Remote(_)) | (Purpose::Pods, Purpose::Remote(_)) => {
                "nothing in the cluster reaches remote machines with these addresses"
            }
            (Purpose::Pods, _) => "what is sent to machines with these addresses is taken for a pod's and lost",
            _ => "it is not certain which of the two an address belongs to",
        }
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wins, shadowed } = self;
        write!(
            f,
            "{} {} overlaps {} {}: {}",
            shadowed.purpose,
            shadowed.prefix,
            wins.purpose,
            wins.prefix,
            self.consequence()
        )
    }
}

/// All pairs of ranges of different purposes that share addresses, in a fixed order. Two remote networks are nobody's
/// affair here.
pub fn conflicts(ranges: &[Range]) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (index, one) in ranges.iter().enumerate() {
        for other in &ranges[index + 1..] {
            let remote = |range: &Range| matches!(range.purpose, Purpose::Remote(_));
            if one.purpose == other.purpose || (remote(one) && remote(other)) || !overlap(one.prefix, other.prefix) {
                continue;
            }
            // A node looks for services first, then for pods, and asks the network last.
            let (wins, shadowed) = if rank(one) <= rank(other) { (one, other) } else { (other, one) };
            found.push(Conflict { wins: wins.clone(), shadowed: shadowed.clone() });
        }
    }
    found.sort_by_key(|conflict| (rank(&conflict.wins), conflict.to_string()));
    found
}

fn rank(range: &Range) -> u8 {
    match range.purpose {
        Purpose::Services => 0,
        Purpose::Pods => 1,
        Purpose::Subnet(_) => 2,
        Purpose::Remote(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(purpose: Purpose, prefix: &str) -> Range {
        Range::new(purpose, prefix.parse::<IpNet>().unwrap())
    }

    fn with_pods_and_services(subnet: &str) -> Vec<Conflict> {
        conflicts(&[
            range(Purpose::Pods, "10.244.0.0/16"),
            range(Purpose::Services, "10.0.0.0/16"),
            range(Purpose::Subnet("nodes".into()), subnet),
        ])
    }

    #[test]
    fn the_documents_examples() {
        let pods = with_pods_and_services("10.244.1.0/24");
        assert_eq!(pods[0].wins.purpose, Purpose::Pods);
        assert!(pods[0].to_string().starts_with("subnet nodes 10.244.1.0/24 overlaps the pod range 10.244.0.0/16: "));
        let services = with_pods_and_services("10.0.10.0/24");
        assert_eq!(services[0].wins.purpose, Purpose::Services);
        assert_eq!((pods.len(), services.len()), (1, 1));
        assert!(with_pods_and_services("10.1.0.0/24").is_empty());
    }

    #[test]
    fn every_way_in_which_two_ranges_can_lie() {
        for (subnet, conflict) in [
            ("10.244.0.0/16", true),
            ("10.244.255.0/24", true),
            ("10.244.0.0/15", true),
            ("10.244.9.9/32", true),
            ("10.243.255.0/24", false),
            ("10.245.0.0/24", false),
        ] {
            assert_eq!(with_pods_and_services(subnet).len(), usize::from(conflict), "{subnet}");
        }
    }

    proptest! {
        #[test]
        fn two_ranges_conflict_if_an_address_is_in_both(a in 0_u32..256, x in 24_u8..=32, b in 0_u32..256, y in 24_u8..=32) {
            let net = |bits: u32, length: u8| IpNet::new(std::net::Ipv4Addr::from(bits).into(), length).unwrap().trunc();
            let (one, other) = (net(a, x), net(b, y));
            let found = conflicts(&[Range::new(Purpose::Pods, one), Range::new(Purpose::Subnet("s".into()), other)]);
            let shared = (0_u32..256).any(|bits| {
                let address: std::net::IpAddr = std::net::Ipv4Addr::from(bits).into();
                one.contains(&address) && other.contains(&address)
            });
            prop_assert_eq!(!found.is_empty(), shared);
        }
    }
}
