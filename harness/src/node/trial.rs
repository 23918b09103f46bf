//! Trials against a real control plane.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::LabClock;
use base64::Engine as _;
use fake_arm::engine::{Identity as ManagedIdentity, ManagedCluster, NetworkProfile};
use fake_arm::events::{AgentPoolMembership, VirtualMachine, VmEvent};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, PostParams};
use kube::runtime::wait::await_condition;
use rand::SeedableRng as _;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::boot::{Boot, BootSettings, UniformBoot};
use super::cluster::NodeCluster;
use super::custom_data::tests::script;
use super::machine::tests::machine;
use super::runner::NodeRunner;
use crate::cluster::embedded::{ControlPlane, ControlPlaneSpec};
use crate::cluster::{BootstrapToken, Heartbeat, Identity};
use crate::history::{BootStage, Event, History};
use crate::process::Processes;
use crate::test_support::binaries;

pub(super) const TOKEN: &str = "abcdef.0123456789abcdef";
pub(super) const FQDN: &str = "lab-dns-0a1b2c3d4e5f.hcp.eastus.azmk8s.io";

/// A control plane and what must live as long.
pub(crate) struct Plane {
    pub(crate) control_plane: ControlPlane,
    pub(crate) history: History,
    pub(crate) processes: Processes,
    pub(crate) folder: tempfile::TempDir,
}

/// Brings a control plane up and does not wait until it has settled, so that machines meet it in its first moments.
pub(crate) async fn plane() -> Plane {
    let binaries = binaries();
    let folder = tempfile::tempdir().expect("folder");
    let history = history();
    let processes = Processes::new(folder.path().join("logs"), history.clone()).expect("processes");
    let NetworkProfile { service_cidr, pod_cidr, dns_service_ip, .. } = facts().network;
    let control_plane = ControlPlane::start(ControlPlaneSpec {
        binaries: binaries.into(),
        processes: processes.clone(),
        kubernetes_version: binaries.versions.kubernetes.clone(),
        service_cidr,
        service_cidr_v6: None,
        pod_cidr,
        dns_service_ip,
        bootstrap_token: BootstrapToken::draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)),
        heartbeat: Heartbeat::KUBELET,
        lender: None,
    })
    .await
    .expect("control plane");
    Plane { control_plane, history, processes, folder }
}

impl Plane {
    async fn cluster(&self) -> NodeCluster {
        NodeCluster {
            server: self.control_plane.url(),
            ca_pem: self.control_plane.ca_pem().to_owned(),
            tls_server_name: None,
            admin: self.control_plane.client(Identity::Admin).await.expect("client"),
            facts: facts(),
            bootstrap_token: self.token(),
        }
    }

    fn token(&self) -> String {
        self.control_plane.bootstrap_token().to_string()
    }

    /// Custom data with which a machine joins.
    fn custom_data(&self) -> Option<String> {
        encoded(&script(self.control_plane.ca_pem(), &self.token(), FQDN))
    }
}

/// A certificate authority of nobody, PEM.
pub(super) fn authority() -> String {
    let key = KeyPair::generate().expect("key");
    CertificateParams::new(Vec::new()).and_then(|params| params.self_signed(&key)).expect("certificate").pem()
}

/// The managed cluster of the trials.
pub(super) fn facts() -> ManagedCluster {
    ManagedCluster {
        id: "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/lab/providers/Microsoft.ContainerService/managedClusters/lab".into(),
        name: "lab".into(),
        subscription_id: "12345678-1234-1234-1234-123456789012".into(),
        tenant_id: "00000000-0000-0000-0000-00000000000a".into(),
        resource_group: "lab".into(),
        node_resource_group: "MC_lab_lab_eastus".into(),
        location: "eastus".into(),
        kubernetes_version: "1.34.4".into(),
        fqdn: FQDN.into(),
        node_provisioning: true,
        default_node_pools: false,
        network: NetworkProfile {
            plugin: "azure".into(),
            plugin_mode: "overlay".into(),
            dataplane: "cilium".into(),
            policy: String::new(),
            pod_cidr: Some("10.244.0.0/16".parse().expect("range")),
            service_cidr: "10.2.0.0/16".parse().expect("range"),
            dns_service_ip: [10, 2, 0, 10].into(),
            pod_cidrs: vec!["10.244.0.0/16".parse().expect("range")],
            service_cidrs: vec!["10.2.0.0/16".parse().expect("range")],
            outbound_type: "loadBalancer".into(),
        },
        subnet_id: "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/cluster-subnet".into(),
        vnet_guid: None,
        admin_username: "azureuser".into(),
        ssh_public_key: "ssh-rsa AAAA trial".into(),
        cluster_identity: ManagedIdentity::default(),
        kubelet_identity: ManagedIdentity::default(),
        tags: std::collections::BTreeMap::new(),
    }
}

pub(super) fn encoded(text: &str) -> Option<String> {
    Some(base64::engine::general_purpose::STANDARD.encode(text))
}

pub(super) fn boots(history: &History, machine: &str) -> Vec<(BootStage, String)> {
    let of = |event: &Event| match event {
        Event::Boot { machine: name, stage, message } if name == machine => Some((*stage, message.clone())),
        _ => None,
    };
    history.since(0).iter().filter_map(|record| of(&record.event)).collect()
}

pub(super) async fn reached(history: &History, machine: &str, stage: BootStage) -> String {
    let mut changes = history.changes();
    let wait = async {
        loop {
            if let Some((_, message)) = boots(history, machine).into_iter().find(|(seen, _)| *seen == stage) {
                return message;
            }
            changes.changed().await.expect("history");
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(40), wait).await;
    waited.unwrap_or_else(|_| panic!("{machine} did not reach {stage:?}: {:?}", boots(history, machine)))
}

pub(super) fn history() -> History {
    History::new(LabClock::real(), None).expect("history")
}

pub(super) fn started(machine: VirtualMachine) -> (VmEvent, VmEvent) {
    let gone = VmEvent::Deleted { id: machine.id.clone() };
    (VmEvent::Started(Arc::new(machine)), gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_become_nodes_of_a_real_control_plane_and_go_again() {
    let plane = plane().await;
    let history = plane.history.clone();
    let runner = NodeRunner::new(history.clone(), BootSettings::after(Duration::from_millis(50)));
    let pool = VirtualMachine {
        agent_pool: Some(AgentPoolMembership {
            cluster_id: facts().id.to_uppercase(),
            pool: "nodepool1".into(),
            mode: "System".into(),
            labels: [("team".into(), "blue".into())].into(),
            taints: vec!["CriticalAddonsOnly=true:NoSchedule".into()],
            max_pods: 30,
        }),
        ..machine("aks-nodepool1-12345678-vmss000000", None)
    };
    // Before there is a cluster: it waits.
    runner.handle(started(pool).0);
    let cluster = plane.cluster().await;
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    runner.connect(cluster.clone());
    eprintln!("first: {}", reached(&history, "aks-nodepool1-12345678-vmss000000", BootStage::Registered).await);

    let (start, gone) = started(machine("aks-custom-abcde", plane.custom_data()));
    runner.handle(start);
    eprintln!("warm: {}", reached(&history, "aks-custom-abcde", BootStage::Registered).await);
    let node = nodes.get("aks-custom-abcde").await.expect("node");
    let spec = node.spec.clone().unwrap_or_default();
    assert!(spec.provider_id.unwrap_or_default().contains("/resourceGroups/mc_lab_lab_eastus/"));
    let taints: Vec<String> = spec.taints.unwrap_or_default().into_iter().map(|taint| taint.key).collect();
    assert!(taints.contains(&"karpenter.sh/unregistered".into()) && taints.contains(&"team".into()), "{taints:?}");
    assert!(!taints.iter().any(|key| key.contains("uninitialized")), "{taints:?}");
    assert_eq!(node.metadata.labels.clone().unwrap_or_default()["topology.kubernetes.io/zone"], "eastus-2");

    // KWOK runs its pods, with an address of its range, and leaves what it offers alone.
    let pods: Api<Pod> = Api::namespaced(cluster.admin.clone(), "default");
    plane.control_plane.settled().await.expect("settles");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "nodeName": "aks-custom-abcde", "tolerations": [{"operator": "Exists"}],
            "containers": [{"name": "main", "image": "pause"}],
        },
    }))
    .expect("pod");
    let began = Instant::now();
    pods.create(&PostParams::default(), &pod).await.expect("pod");
    let running = await_condition(pods.clone(), "web", |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()).is_some_and(|status| status.phase.as_deref() == Some("Running"))
    });
    let pod = tokio::time::timeout(Duration::from_secs(10), running).await.expect("in time").expect("watch");
    eprintln!("its pod runs after {:?}", began.elapsed());
    let after = nodes.get("aks-custom-abcde").await.expect("node");
    let range: ipnet::Ipv4Net = after.spec.and_then(|spec| spec.pod_cidr).expect("range").parse().expect("range");
    let address = pod.and_then(|pod| pod.status).and_then(|status| status.pod_ip).expect("address");
    assert!(range.contains(&address.parse::<std::net::Ipv4Addr>().expect("address")), "{address} in {range}");
    let offer = |node: Option<k8s_openapi::api::core::v1::NodeStatus>| node.and_then(|status| status.allocatable);
    assert_eq!(offer(after.status), offer(node.status));

    let right = script(plane.control_plane.ca_pem(), &plane.token(), FQDN);
    let id = plane.control_plane.bootstrap_token().id().to_owned();
    let wrong = [
        ("aks-token", right.replace(&plane.token(), &format!("{id}.fedcba9876543210")), "401"),
        ("aks-label", right.replace("karpenter.sh/nodepool", "node-restriction.kubernetes.io/x"), "node-restriction"),
        ("aks-script", "echo".into(), "#!"),
    ];
    for (name, script, _) in &wrong {
        runner.handle(started(machine(name, encoded(script))).0);
    }
    for (name, _, reason) in &wrong {
        let refused = reached(&history, name, BootStage::Refused).await;
        assert!(refused.contains(reason), "{name}: {refused}");
        assert!(nodes.get_opt(name).await.expect("answer").is_none(), "{name} is a node");
    }

    runner.handle(gone);
    reached(&history, "aks-custom-abcde", BootStage::Removed).await;
    assert!(nodes.get_opt("aks-custom-abcde").await.expect("answer").is_none());

    // A node of the name is there, from another machine: it is waited for.
    let squatter = json!({"metadata": {"name": "aks-again"}});
    nodes.create(&PostParams::default(), &serde_json::from_value(squatter).expect("node")).await.expect("node");
    runner.handle(started(machine("aks-again", plane.custom_data())).0);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(boots(&history, "aks-again").len(), 1);
    nodes.delete("aks-again", &Default::default()).await.expect("deleted");
    reached(&history, "aks-again", BootStage::Registered).await;

    // Deleted while it boots: it never appears.
    let (start, gone) = started(machine("aks-short", plane.custom_data()));
    runner.handle(start);
    runner.handle(gone);

    let began = Instant::now();
    let many: Vec<String> = (0..50).map(|number| format!("aks-many-{number:02}")).collect();
    for name in &many {
        runner.handle(started(machine(name, plane.custom_data())).0);
    }
    for name in &many {
        reached(&history, name, BootStage::Registered).await;
    }
    eprintln!("{} machines: {:?}", many.len(), began.elapsed());
    assert!(nodes.get_opt("aks-short").await.expect("answer").is_none());
    runner.stop().await;
}

/// `NodeRestriction` is the API server's own; what a kubelet checks before it starts must be what the API server would
/// refuse, no more and no less.
#[tokio::test(flavor = "multi_thread")]
async fn labels_that_a_kubelet_may_set_are_those_that_the_api_server_lets_it_set() {
    let plane = plane().await;
    plane.control_plane.settled().await.expect("settles");
    let cluster = plane.cluster().await;
    let name = "aks-labels";
    let bearer = cluster.with_token(&plane.token()).expect("client");
    let certificate = super::tls_bootstrap::request_certificate(bearer, name).await.expect("certificate");
    let client = cluster.with_certificate(&certificate.certificate_pem, &certificate.key_pem).expect("client");
    let as_kubelet: Api<Node> = Api::all(client);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    for key in [
        "karpenter.sh/nodepool",
        "karpenter.azure.com/sku-cpu",
        "kubernetes.azure.com/mode",
        "node.kubernetes.io/instance-type",
        "x.node.kubernetes.io/a",
        "kubelet.kubernetes.io/a",
        "topology.kubernetes.io/region",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "plain",
        "kubernetes.io/role",
        "node-role.kubernetes.io/agent",
        "a.k8s.io/b",
        "node-restriction.kubernetes.io/x",
        "a.node-restriction.kubernetes.io/x",
    ] {
        let node = json!({"metadata": {"name": name, "labels": {key: "a"}}});
        let answer = as_kubelet.create(&dry, &serde_json::from_value(node).expect("node")).await;
        assert_eq!(super::kubelet::allowed_label(key), answer.is_ok(), "{key}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_network_turns_ready_later() {
    let plane = plane().await;
    let history = plane.history.clone();
    let boot = Boot { kubelet_after: Some(Duration::ZERO), network_after: Some(Duration::from_millis(500)) };
    let settings = BootSettings { plan: Arc::new(UniformBoot(boot)), ..BootSettings::default() };
    let runner = NodeRunner::new(history.clone(), settings);
    let cluster = plane.cluster().await;
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    runner.connect(cluster);
    runner.handle(started(machine("aks-late", plane.custom_data())).0);
    reached(&history, "aks-late", BootStage::Registered).await;
    let ready = |node: Option<&Node>| {
        let status = node.and_then(|node| node.status.as_ref());
        let mut conditions = status.into_iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    assert!(!ready(Some(&nodes.get("aks-late").await.expect("node"))));
    let turned = await_condition(nodes, "aks-late", ready);
    tokio::time::timeout(Duration::from_secs(10), turned).await.expect("it turns ready").expect("watch");
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_never_heard_the_answer_finds_its_own_node() {
    let plane = plane().await;
    plane.control_plane.settled().await.expect("settles");
    let (machine, cluster) = (Arc::new(machine("aks-deaf", plane.custom_data())), Arc::new(plane.cluster().await));
    let joiner = super::join::Joiner::bootstrap(machine, cluster).await.expect("joins");
    let at = plane.history.now();
    let first = joiner.register(at, true, false).await.expect("registers");
    let second = joiner.register(at, true, false).await.expect("finds it");
    assert_eq!(first.metadata.uid, second.metadata.uid);
}
