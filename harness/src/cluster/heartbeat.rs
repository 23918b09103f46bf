//! How nodes say that they are alive.

use std::time::Duration;

/// Times of the nodes' leases, which kubelets and kube-controller-manager have to agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// How long a node's lease is good for: `nodeLeaseDurationSeconds` of a kubelet. It is renewed after a quarter.
    pub lease: Duration,
    /// How often a node reports that nothing has changed of it: `nodeStatusReportFrequency` of a kubelet.
    pub report: Duration,
    /// After how long without a sign of life a node is taken for dead: `--node-monitor-grace-period` of
    /// kube-controller-manager.
    pub grace: Duration,
}

impl Heartbeat {
    /// What kubelets and kube-controller-manager do unless told otherwise.
    pub const KUBELET: Self =
        Self { lease: Duration::from_secs(40), report: Duration::from_secs(300), grace: Duration::from_secs(50) };

    /// For labs whose time is moved: no lease may run out in a move, so moves are shorter than leases. With leases of 40
    /// seconds a day would be thousands of moves, and most of the work in them would be to renew leases. The price: a
    /// node that stops saying that it is alive is taken for dead after ten minutes and a half. What a node reports when
    /// nothing has changed tells no more than its lease does, and costs ten times as much.
    pub const UNHURRIED: Self =
        Self { lease: Duration::from_secs(612), report: Duration::from_secs(3600), grace: Duration::from_secs(630) };

    /// The longest time that may go by without a renewal: no lease has run out then, and no node is taken for dead.
    #[must_use]
    pub fn longest_silence(self) -> Duration {
        self.lease - Duration::from_secs(1)
    }

    /// After how long at most a lease is renewed: a quarter of it, which whoever renews it (kubelets, KWOK) draws out by up to
    /// four per cent, so that not all do it at once.
    #[must_use]
    pub fn renewal(self) -> Duration {
        self.lease * 26 / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_lease_runs_out_in_the_longest_silence_and_no_node_is_taken_for_dead() {
        for heartbeat in [Heartbeat::KUBELET, Heartbeat::UNHURRIED] {
            let longest = heartbeat.longest_silence();
            assert!(longest < heartbeat.lease && longest < heartbeat.grace, "{heartbeat:?}");
            assert!(heartbeat.renewal() < longest, "{heartbeat:?}");
        }
    }
}
