//! What is expected of pods.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::expectation::{Expectation, Quantity, listed};
use super::kind::Kind;
use super::node::NodeSelection;
use super::selection::{Selection, Subject};
use super::state::State;
use crate::object::{condition, is_deleting, is_true, name};

/// The pods labelled `app=<app>`.
pub fn pods(app: &str) -> PodSelection {
    Selection::new(Pods { app: app.to_owned() })
}

/// The pods of one workload.
#[derive(Debug, Clone)]
pub struct Pods {
    app: String,
}

/// Pods of one workload.
pub type PodSelection = Selection<Pods>;

impl Subject for Pods {
    type Item = Value;

    const ONE: &'static str = "pod";

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Value> {
        state.objects(Kind::Pod).filter(|pod| pod["metadata"]["labels"]["app"] == self.app.as_str())
    }

    fn label(pod: &Value) -> String {
        situation(pod)
    }
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pods of {}", self.app)
    }
}

impl PodSelection {
    /// As many pods as the deployment wants are Running and Ready, and no other is left over.
    pub fn all_running(self) -> Expectation {
        Expectation::new(format!("{self}: all running"), move |state| {
            let app = &self.subject().app;
            let Some(wanted) =
                state.object(Kind::Deployment, app).and_then(|object| object["spec"]["replicas"].as_u64())
            else {
                return Err(format!("no deployment {app} has been seen"));
            };
            let pods: Vec<_> = self.of(state).filter(|pod| !is_deleting(pod)).collect();
            let running = pods.iter().filter(|pod| is_ready(pod)).count();
            if running as u64 == wanted && running == pods.len() && running > 0 {
                return Ok(());
            }
            let others: Vec<_> = pods.iter().filter(|pod| !is_ready(pod)).map(|pod| situation(pod)).collect();
            Err(format!("{running} of {wanted} running; not running: {}", listed(&others)))
        })
    }

    /// So many pods are Running and Ready.
    pub fn running(self, number: usize) -> Expectation {
        self.ready(Quantity::Exactly(number))
    }

    /// At least so many pods are Running and Ready.
    pub fn at_least_running(self, number: usize) -> Expectation {
        self.ready(Quantity::AtLeast(number))
    }

    /// So many pods wait for a node.
    pub fn pending(self, number: usize) -> Expectation {
        Expectation::new(format!("{self}: exactly {number} pending"), move |state| {
            let pending: Vec<_> =
                self.of(state).filter(|pod| pod["spec"]["nodeName"].is_null()).map(situation).collect();
            if pending.len() == number { Ok(()) } else { Err(format!("pending: {}", listed(&pending))) }
        })
    }

    /// At least one runs, and each has its address in this range.
    ///
    /// # Panics
    /// Where the range is none.
    pub fn all_in_range(self, range: &str) -> Expectation {
        let wanted: IpNet = range.parse().expect("a range is written as 10.244.0.0/16");
        let (said, staying) = (format!("in {wanted}"), self.narrowed("", |_, pod| !is_deleting(pod)));
        staying.each(&said, move |_, pod| {
            let address = &pod["status"]["podIP"];
            let inside =
                address.as_str().and_then(|text| text.parse::<IpAddr>().ok()).is_some_and(|ip| wanted.contains(&ip));
            if inside { Ok(()) } else { Err(format!("has {address}")) }
        })
    }

    /// At least one is bound to a node, and each that is, is bound to one of these.
    pub fn all_on(self, nodes: NodeSelection) -> Expectation {
        let (said, bound) =
            (format!("on {nodes}"), self.narrowed("bound to a node", |_, pod| pod["spec"]["nodeName"].is_string()));
        bound.each(&said, move |state, pod| {
            if nodes.of(state).any(|node| pod["spec"]["nodeName"] == name(node)) {
                Ok(())
            } else {
                Err("is elsewhere".to_owned())
            }
        })
    }

    /// Exactly these (by name) are there and not on their way out.
    pub fn kept(self, names: &[String]) -> Expectation {
        let names = names.to_vec();
        Expectation::new(format!("{self}: the same {} kept", names.len()), move |state| {
            let there: Vec<_> =
                self.of(state).filter(|pod| !is_deleting(pod)).map(|pod| name(pod).to_owned()).collect();
            let same = there.len() == names.len() && names.iter().all(|name| there.contains(name));
            if same { Ok(()) } else { Err(format!("there are {}, there were {}", listed(&there), listed(&names))) }
        })
    }

    fn ready(self, quantity: Quantity) -> Expectation {
        Expectation::new(format!("{self}: {quantity} running"), move |state| {
            let ready = self.of(state).filter(|pod| !is_deleting(pod) && is_ready(pod)).count();
            if quantity.holds(ready) {
                return Ok(());
            }
            let all: Vec<_> = self.of(state).map(situation).collect();
            Err(format!("{ready} running; all pods: {}", listed(&all)))
        })
    }
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["phase"] == "Running" && is_true(pod, "Ready")
}

/// A pod and why it is where it is: `web-1 (Pending: 0/2 nodes are available …)`.
fn situation(pod: &Value) -> String {
    let phase = if is_deleting(pod) { "Terminating" } else { pod["status"]["phase"].as_str().unwrap_or("?") };
    let says = |kind: &str| condition(pod, kind).and_then(|condition| condition["message"].as_str());
    let why = says("PodScheduled").or_else(|| says("Ready"));
    match (why, pod["spec"]["nodeName"].as_str()) {
        (Some(why), _) => format!("{} ({phase}: {why})", name(pod)),
        (None, Some(node)) => format!("{} ({phase} on {node})", name(pod)),
        (None, None) => format!("{} ({phase})", name(pod)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::state::tests::state_of;
    use serde_json::json;

    fn pod(name: &str, phase: &str, ready: &str) -> Value {
        json!({"kind": "Pod", "metadata": {"uid": name, "name": name, "labels": {"app": "web"}},
               "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn wanted(replicas: u64) -> Value {
        json!({"kind": "Deployment", "metadata": {"uid": "d", "name": "web"}, "spec": {"replicas": replicas}})
    }

    #[test]
    fn all_running_means_as_many_as_the_deployment_wants() {
        let state = state_of(&[wanted(2), pod("a", "Running", "True")]);
        assert_eq!(pods("web").all_running().evaluate(&state).unwrap_err(), "1 of 2 running; not running: none");
        let state = state_of(&[wanted(2), pod("a", "Running", "True"), pod("b", "Running", "True")]);
        assert_eq!(pods("web").all_running().evaluate(&state), Ok(()));
    }

    #[test]
    fn pods_are_in_a_range_by_their_addresses() {
        let mut at = pod("a", "Running", "True");
        at["status"]["podIP"] = json!("10.244.3.7");
        let state = state_of(&[at]);
        assert_eq!(pods("web").all_in_range("10.244.0.0/16").evaluate(&state), Ok(()));
        assert!(pods("web").all_in_range("192.168.0.0/16").evaluate(&state).is_err());
        assert!(pods("web").all_in_range("10.244.0.0/16").evaluate(&state_of(&[])).is_err());
    }

    #[test]
    fn all_running_does_not_hold_where_no_pod_is_wanted() {
        assert!(pods("web").all_running().evaluate(&state_of(&[wanted(0)])).is_err());
    }
}
