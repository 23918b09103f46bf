//! Readiness probes that the network decides. KWOK runs pods that have no network of their own; what a kubelet that probes
//! them would find is what the model of the cluster's network says.
//!
//! Such probes are `exec` of `nc -z ADDRESS PORT`, which goes out from the pod, and `tcpSocket` and `httpGet` with an
//! address as their `host`, which go out from the node. All others succeed. KWOK makes a pod ready as it begins, but not one
//! with such a probe. Times and thresholds are those of "Configure Liveness, Readiness and Startup Probes" in the
//! documentation of Kubernetes; a pod's probes go off together, with the times of the first.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::net::Place;
use k8s_openapi::api::core::v1::{Event as KubeEvent, EventSource, Node, ObjectReference, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::api::{Api, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::{AbortHandle, JoinSet};

use super::boot::BootPlan;
use super::cluster::NodeCluster;
use crate::history::{Change, Event, History};

/// Between two probes, and how many have to fail, where a probe does not say it.
const PERIOD: Duration = Duration::from_secs(10);
const FAILURES: u32 = 3;

/// Does for a cluster's pods what their kubelets do about such probes, until it is dropped.
pub(super) async fn probe_pods(history: History, plan: Arc<dyn BootPlan>, cluster: Arc<NodeCluster>) {
    let mut tasks = JoinSet::new();
    let mut probed: HashMap<String, AbortHandle> = HashMap::new();
    let mut changes = history.changes();
    let mut read = 0;
    loop {
        changes.borrow_and_update();
        let fresh = history.since(read);
        read += fresh.len();
        for record in &fresh {
            let Event::Kube { kind, change, object } = &record.event else { continue };
            let Some(uid) = object["metadata"]["uid"].as_str().filter(|_| kind == "Pod") else { continue };
            if *change == Change::Deleted {
                probed.remove(uid).inspect(AbortHandle::abort);
                continue;
            }
            if probed.contains_key(uid) {
                continue;
            }
            if let Some(pod) = ProbedPod::of(object) {
                let kubelet = Kubelet { history: history.clone(), plan: plan.clone(), cluster: cluster.clone(), pod };
                probed.insert(uid.to_owned(), tasks.spawn(kubelet.probe()));
            }
        }
        while tasks.try_join_next().is_some() {}
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// A pod that KWOK runs and leaves to us to be ready.
#[derive(Debug, PartialEq)]
struct ProbedPod {
    namespace: String,
    name: String,
    uid: String,
    node_name: String,
    address: IpAddr,
    node: IpAddr,
    /// Those that the network decides; the others succeed.
    probes: Vec<Probe>,
}

/// A readiness probe that the network decides.
#[derive(Debug, PartialEq)]
struct Probe {
    /// Whether it goes out from the pod; else from the node.
    from_pod: bool,
    to: IpAddr,
    port: u16,
    delay: Duration,
    period: Duration,
    failures: u32,
}

impl ProbedPod {
    /// A pod as the API server shows it; `None` where KWOK has not begun it yet, or has made it ready itself.
    fn of(pod: &Value) -> Option<Self> {
        let (metadata, status) = (&pod["metadata"], &pod["status"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let address = |value: &Value| value.as_str()?.parse().ok();
        let is_unready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "False";
        let left_to_us = status["phase"] == "Running" && status["conditions"].as_array()?.iter().any(is_unready);
        left_to_us.then_some(())?;
        Some(Self {
            namespace: text(&metadata["namespace"])?,
            name: text(&metadata["name"])?,
            uid: text(&metadata["uid"])?,
            node_name: text(&pod["spec"]["nodeName"])?,
            address: address(&status["podIP"])?,
            node: address(&status["hostIP"])?,
            probes: pod["spec"]["containers"].as_array()?.iter().filter_map(Probe::of).collect(),
        })
    }
}

impl Probe {
    fn of(container: &Value) -> Option<Self> {
        let probe = &container["readinessProbe"];
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let (from_pod, to, port) = if let Some(command) = probe["exec"]["command"].as_array() {
            let words: Vec<_> = command.iter().filter_map(Value::as_str).collect();
            let [program, flags @ .., to, port] = words.as_slice() else { return None };
            let connects = *program == "nc" && flags.iter().any(|flag| flag.starts_with("-z"));
            connects.then_some((true, to.parse().ok()?, port.parse().ok()?))?
        } else {
            let action = ["tcpSocket", "httpGet"].iter().map(|kind| &probe[kind]).find(|action| action.is_object())?;
            (false, action["host"].as_str()?.parse().ok()?, number(&action["port"])?.try_into().ok()?)
        };
        let seconds = |field: &str, default| number(&probe[field]).map_or(default, Duration::from_secs);
        Some(Self {
            from_pod,
            to,
            port,
            delay: seconds("initialDelaySeconds", Duration::ZERO),
            period: seconds("periodSeconds", PERIOD).max(Duration::from_secs(1)),
            failures: number(&probe["failureThreshold"]).and_then(|times| times.try_into().ok()).unwrap_or(FAILURES),
        })
    }

    /// How a kubelet tells that it failed. Why it did, no kubelet knows; here the event says so, in parentheses.
    fn complaint(&self, why: &str) -> String {
        let Self { to, port, .. } = self;
        if self.from_pod {
            format!("Readiness probe failed: nc: {to} ({to}:{port}): Connection timed out ({why})")
        } else {
            format!("Readiness probe failed: dial tcp {to}:{port}: i/o timeout ({why})")
        }
    }
}

/// The kubelet of one pod's node, as far as it probes that pod.
struct Kubelet {
    history: History,
    plan: Arc<dyn BootPlan>,
    cluster: Arc<NodeCluster>,
    pod: ProbedPod,
}

impl Kubelet {
    async fn probe(self) {
        let times = |probe: &Probe| (probe.delay, probe.period, probe.failures);
        let (delay, period, failures) = self.pod.probes.first().map_or((Duration::ZERO, PERIOD, FAILURES), times);
        let clock = self.history.clock().clone();
        clock.sleep(delay).await;
        // KWOK begins with a pod that is not ready.
        let (mut ready, mut failed, mut told) = (false, 0, String::new());
        loop {
            match self.look().await {
                Ok(None) => {
                    (failed, told) = (0, String::new());
                    ready = ready || self.report(true).await;
                    if ready && self.pod.probes.is_empty() {
                        return;
                    }
                }
                Ok(Some(complaint)) => {
                    failed += 1;
                    if told != complaint && self.complain(&complaint).await {
                        told = complaint;
                    }
                    ready = ready && !(failed >= failures && self.report(false).await);
                }
                // The API server is away, or says nothing of use; then a kubelet does not report either.
                Err(error) => tracing::debug!(pod = self.pod.name, %error, "not probed"),
            }
            clock.sleep(period).await;
        }
    }

    /// What fails; `None` where the pod is ready.
    async fn look(&self) -> kube::Result<Option<String>> {
        let own = Place::Pod { address: self.pod.address, node: self.pod.node };
        for probe in &self.pod.probes {
            let from = if probe.from_pod { own } else { Place::Node(self.pod.node) };
            let to = self.at(probe.to).await?;
            if let Err(why) = self.plan.reaches(&self.cluster.facts.id, from, to, probe.port) {
                return Ok(Some(probe.complaint(&why)));
            }
        }
        Ok(None)
    }

    /// Who has this address: a node, a pod, a service, in this order, else somebody outside of the cluster.
    async fn at(&self, address: IpAddr) -> kube::Result<Place> {
        let (client, text) = (&self.cluster.admin, address.to_string());
        let nodes: Api<Node> = Api::all(client.clone());
        let has_address = |node: &Node| {
            let addresses = node.status.as_ref().and_then(|status| status.addresses.as_ref());
            addresses.into_iter().flatten().any(|known| known.type_ == "InternalIP" && known.address == text)
        };
        if nodes.list(&ListParams::default()).await?.items.iter().any(has_address) {
            return Ok(Place::Node(address));
        }
        let pods: Api<Pod> = Api::all(client.clone());
        let pods = pods.list(&ListParams::default().fields(&format!("status.podIP={text}"))).await?;
        let node = pods.items.into_iter().find_map(|pod| pod.status?.host_ip?.parse().ok());
        if let Some(node) = node {
            return Ok(Place::Pod { address, node });
        }
        let services: Api<Service> = Api::all(client.clone());
        let has_address = |service: &Service| {
            let addresses = service.spec.as_ref().and_then(|spec| spec.cluster_ips.as_ref());
            addresses.is_some_and(|addresses| addresses.contains(&text))
        };
        let is_service = services.list(&ListParams::default()).await?.items.iter().any(has_address);
        Ok(if is_service { Place::Service(address) } else { Place::Other(address) })
    }

    /// Reports the pod ready, or not; whether the API server took it.
    async fn report(&self, ready: bool) -> bool {
        let pods: Api<Pod> = Api::namespaced(self.cluster.admin.clone(), &self.pod.namespace);
        let reported = async {
            let pod = pods.get(&self.pod.name).await?;
            let patch = Patch::Merge(readiness(&pod, ready, self.history.now()));
            pods.patch_status(&self.pod.name, &PatchParams::default(), &patch).await
        };
        reported.await.inspect_err(|error| tracing::debug!(pod = self.pod.name, %error, "not reported")).is_ok()
    }

    /// Publishes an event; whether the API server took it.
    async fn complain(&self, message: &str) -> bool {
        let events: Api<KubeEvent> = Api::namespaced(self.cluster.admin.clone(), &self.pod.namespace);
        let now = Time(self.history.now());
        let event = KubeEvent {
            metadata: ObjectMeta {
                generate_name: Some(format!("{}.", self.pod.name)),
                namespace: Some(self.pod.namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(self.pod.namespace.clone()),
                name: Some(self.pod.name.clone()),
                uid: Some(self.pod.uid.clone()),
                ..ObjectReference::default()
            },
            reason: Some("Unhealthy".to_owned()),
            message: Some(message.to_owned()),
            type_: Some("Warning".to_owned()),
            source: Some(EventSource { component: Some("kubelet".to_owned()), host: Some(self.pod.node_name.clone()) }),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..KubeEvent::default()
        };
        events.create(&PostParams::default(), &event).await.is_ok()
    }
}

/// What a kubelet writes of a pod whose probes succeed, or do not: the conditions with their reasons, and its containers.
fn readiness(pod: &Pod, ready: bool, now: jiff::Timestamp) -> Value {
    let status = serde_json::to_value(&pod.status).unwrap_or_default();
    let mut conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let mut containers = status["containerStatuses"].as_array().cloned().unwrap_or_default();
    let probed: Vec<_> =
        pod.spec.iter().flat_map(|spec| &spec.containers).filter(|it| it.readiness_probe.is_some()).collect();
    for container in &mut containers {
        if ready || probed.iter().any(|it| container["name"] == it.name.as_str()) {
            container["ready"] = json!(ready);
        }
    }
    let unready: Vec<_> = probed.iter().map(|it| it.name.as_str()).collect();
    for condition in &mut conditions {
        if condition["type"] != "Ready" && condition["type"] != "ContainersReady" {
            continue;
        }
        *condition = json!({ "type": condition["type"], "status": if ready { "True" } else { "False" }, "lastTransitionTime": now });
        if !ready {
            condition["reason"] = json!("ContainersNotReady");
            condition["message"] = json!(format!("containers with unready status: [{}]", unready.join(" ")));
        }
    }
    json!({
        // One that has changed meanwhile is read again at the next probe.
        "metadata": { "resourceVersion": pod.resource_version() },
        "status": { "conditions": conditions, "containerStatuses": containers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(probe: &Value) -> Value {
        json!({
            "metadata": { "namespace": "default", "name": "client", "uid": "u" },
            "spec": { "nodeName": "n", "containers": [{ "name": "app", "readinessProbe": probe }] },
            "status": {
                "phase": "Running", "podIP": "10.244.0.7", "hostIP": "10.1.0.4",
                "conditions": [{ "type": "Ready", "status": "False" }],
            },
        })
    }

    fn nc(words: &[&str]) -> Value {
        json!({ "exec": { "command": words }, "periodSeconds": 5 })
    }

    #[test]
    fn probes_that_go_somewhere_are_known() {
        let known = ProbedPod::of(&pod(&nc(&["nc", "-z", "-w", "1", "10.0.0.10", "53"]))).unwrap();
        let Probe { from_pod, to, port, delay, period, failures } = &known.probes[0];
        assert_eq!((*from_pod, to.to_string().as_str(), *port, *failures), (true, "10.0.0.10", 53, 3));
        assert_eq!((*delay, *period), (Duration::ZERO, Duration::from_secs(5)));
        let known = ProbedPod::of(&pod(&json!({ "tcpSocket": { "host": "10.1.0.5", "port": 10250 } }))).unwrap();
        assert!(!known.probes[0].from_pod);
        assert_eq!((known.probes[0].port, known.probes[0].period), (10250, Duration::from_secs(10)));
    }

    #[test]
    fn probes_that_go_nowhere_succeed() {
        for probe in [
            json!(null),
            json!({ "httpGet": { "path": "/healthz", "port": 8080 } }),
            json!({ "tcpSocket": { "port": "http" } }),
            nc(&["cat", "/tmp/healthy"]),
            nc(&["nc", "-l", "10.0.0.10", "53"]),
            nc(&["nc", "-z", "kube-dns", "53"]),
        ] {
            assert_eq!(ProbedPod::of(&pod(&probe)).unwrap().probes, [], "{probe}");
        }
    }

    #[test]
    fn a_pod_that_waits_or_that_kwok_has_made_ready_is_left_alone() {
        let probed = pod(&nc(&["nc", "-z", "10.0.0.10", "53"]));
        assert!(ProbedPod::of(&probed).is_some());
        for (field, value) in
            [("phase", json!("Pending")), ("conditions", json!([{ "type": "Ready", "status": "True" }]))]
        {
            let mut other = probed.clone();
            other["status"][field] = value;
            assert_eq!(ProbedPod::of(&other), None);
        }
    }

    #[test]
    fn a_report_says_which_containers_are_not_ready_and_touches_nothing_else() {
        let mut shown = pod(&nc(&["nc", "-z", "10.0.0.10", "53"]));
        shown["status"]["conditions"] = json!([
            { "type": "Initialized", "status": "True" },
            { "type": "Ready", "status": "True" },
        ]);
        shown["status"]["containerStatuses"] =
            json!([{ "name": "app", "image": "i", "imageID": "", "ready": true, "restartCount": 0 }]);
        let report = readiness(&serde_json::from_value(shown).unwrap(), false, jiff::Timestamp::UNIX_EPOCH);
        let conditions = &report["status"]["conditions"];
        assert_eq!((&conditions[0]["status"], &conditions[1]["status"]), (&json!("True"), &json!("False")));
        assert_eq!(conditions[1]["message"], "containers with unready status: [app]");
        assert_eq!(report["status"]["containerStatuses"][0]["ready"], json!(false));
    }
}
