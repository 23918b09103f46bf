//! Trials against a real control plane: etcd, kube-apiserver and kube-controller-manager out of the folder that
//! `CATNAP_TEST_BIN` names. Without that variable they say so and pass.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake_arm::clock::SystemClock;
use fake_arm::engine::{Identity, ManagedCluster, NetworkProfile};
use fake_arm::events::{AgentPoolMembership, VirtualMachine, VmEvent};
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::api::{Api, PostParams};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;
use tokio::process::{Child, Command};

use super::boot::{Boot, BootSettings, EvenBoot};
use super::cluster::NodeCluster;
use super::custom_data::tests::script;
use super::machine::tests::machine;
use super::runner::NodeRunner;
use crate::history::{BootStage, Event, History};

pub(super) const TOKEN: &str = "abcdef.0123456789abcdef";
pub(super) const FQDN: &str = "lab-dns-0a1b2c3d4e5f.hcp.eastus.azmk8s.io";

pub(crate) struct ControlPlane {
    _children: Vec<Child>,
    folder: tempfile::TempDir,
    pub(crate) cluster: NodeCluster,
}

impl ControlPlane {
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Applies the manifests of a folder and waits until the CRDs among them serve.
    pub(crate) fn apply(&self, bin: &Path, manifests: &Path) {
        let kubectl = |arguments: &[&str]| {
            let mut command = std::process::Command::new(bin.join("kubectl"));
            let done =
                command.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments).output().expect("kubectl runs");
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        };
        kubectl(&["apply", "--server-side", "-f", &manifests.display().to_string()]);
        kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]);
    }
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "trial");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("key")).expect("authority")
}

fn leaf(issuer: &Issuer, name: &str, organization: &str, hosts: &[&str]) -> (String, String) {
    let key = KeyPair::generate().expect("key");
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("params");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization);
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    (params.signed_by(&key, issuer).expect("leaf").pem(), key.serialize_pem())
}

fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

pub(crate) fn binaries() -> Option<PathBuf> {
    let folder = std::env::var_os("CATNAP_TEST_BIN").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: CATNAP_TEST_BIN names no folder with a control plane");
    }
    folder
}

fn spawn(binary: &Path, folder: &Path, args: &[String]) -> Child {
    let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let log = std::fs::File::create(folder.join(format!("{name}.log"))).expect("log");
    Command::new(binary)
        .args(args)
        .current_dir(folder)
        .stdout(log.try_clone().expect("log"))
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("starts")
}

/// Starts the control plane as soon as it answers, and not later, so that machines meet it in its first moments.
pub(crate) async fn control_plane(bin: &Path) -> ControlPlane {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("folder");
    let at = folder.path();
    let issuer = authority();
    let (serving, serving_key) = leaf(&issuer, "kube-apiserver", "trial", &["127.0.0.1", FQDN]);
    let (admin, admin_key) = leaf(&issuer, "admin", "system:masters", &[]);
    let accounts = KeyPair::generate().expect("key");
    let (etcd, etcd_peer, api) = (port(), port(), port());
    let server = format!("https://127.0.0.1:{api}");
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, "certificate-authority": at.join("ca.pem")}}],
        "users": [{"name": "u", "user": {"client-certificate": at.join("admin.pem"), "client-key": at.join("admin.key")}}],
    })
    .to_string();
    for (name, text) in [
        ("ca.pem", issuer.as_ref().pem()),
        ("ca.key", issuer.key().serialize_pem()),
        ("serving.pem", serving),
        ("serving.key", serving_key),
        ("admin.pem", admin.clone()),
        ("admin.key", admin_key.clone()),
        ("accounts.key", accounts.serialize_pem()),
        ("accounts.pub", accounts.public_key_pem()),
        ("kubeconfig", kubeconfig),
    ] {
        std::fs::write(at.join(name), text).expect("written");
    }
    let file = |name: &str| at.join(name).display().to_string();
    let children = vec![
        spawn(
            &bin.join("etcd"),
            at,
            &[
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
                format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
                format!("--listen-peer-urls=http://127.0.0.1:{etcd_peer}"),
                "--unsafe-no-fsync".into(),
                "--heartbeat-interval=5".into(),
                "--election-timeout=50".into(),
            ],
        ),
        spawn(
            &bin.join("kube-apiserver"),
            at,
            &[
                format!("--etcd-servers=http://127.0.0.1:{etcd}"),
                format!("--secure-port={api}"),
                "--bind-address=127.0.0.1".into(),
                format!("--client-ca-file={}", file("ca.pem")),
                format!("--tls-cert-file={}", file("serving.pem")),
                format!("--tls-private-key-file={}", file("serving.key")),
                format!("--service-account-key-file={}", file("accounts.pub")),
                format!("--service-account-signing-key-file={}", file("accounts.key")),
                "--service-account-issuer=https://trial".into(),
                "--service-cluster-ip-range=10.2.0.0/16".into(),
                "--authorization-mode=Node,RBAC".into(),
                "--enable-admission-plugins=NodeRestriction".into(),
                "--enable-bootstrap-token-auth".into(),
            ],
        ),
        spawn(
            &bin.join("kube-controller-manager"),
            at,
            &[
                format!("--kubeconfig={}", file("kubeconfig")),
                format!("--cluster-signing-cert-file={}", file("ca.pem")),
                format!("--cluster-signing-key-file={}", file("ca.key")),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
                "--allocate-node-cidrs=true".into(),
                "--cluster-cidr=10.244.0.0/16".into(),
                "--service-cluster-ip-range=10.2.0.0/16".into(),
                // Its default, 20 requests a second, is two thirds of the time of many machines that join at once.
                "--kube-api-qps=500".into(),
                "--kube-api-burst=1000".into(),
            ],
        ),
    ];
    let mut cluster = NodeCluster {
        server: server.clone(),
        ca_pem: issuer.as_ref().pem(),
        tls_server_name: Some(FQDN.into()),
        // Replaced below by one that shows the administrator's certificate.
        admin: kube::Client::try_from(kube::Config::new(server.parse().expect("url"))).expect("client"),
        facts: facts(),
        bootstrap_token: TOKEN.into(),
    };
    cluster.admin = cluster.with_certificate(admin.as_bytes(), &admin_key).expect("client");
    let began = Instant::now();
    while let Err(error) =
        Api::<Secret>::namespaced(cluster.admin.clone(), "kube-system").list(&Default::default()).await
    {
        assert!(began.elapsed() < Duration::from_secs(60), "the control plane does not answer: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    set_up_bootstrap(&cluster.admin).await;
    ControlPlane { _children: children, folder, cluster }
}

async fn set_up_bootstrap(admin: &kube::Client) {
    let (id, secret) = TOKEN.split_once('.').expect("token");
    let token: Secret = serde_json::from_value(json!({
        "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": id, "token-secret": secret,
            "usage-bootstrap-authentication": "true", "auth-extra-groups": "system:bootstrappers:catnap",
        },
    }))
    .expect("secret");
    let namespace = json!({"metadata": {"name": "kube-system"}});
    let _ = Api::all(admin.clone())
        .create(
            &PostParams::default(),
            &serde_json::from_value::<k8s_openapi::api::core::v1::Namespace>(namespace).expect("namespace"),
        )
        .await;
    Api::<Secret>::namespaced(admin.clone(), "kube-system")
        .create(&PostParams::default(), &token)
        .await
        .expect("token");
    for (name, role) in [
        ("create-csrs", "system:node-bootstrapper"),
        ("approve-csrs", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"),
    ] {
        let binding: k8s_openapi::api::rbac::v1::ClusterRoleBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:bootstrappers"}],
        }))
        .expect("binding");
        Api::all(admin.clone()).create(&PostParams::default(), &binding).await.expect("binding");
    }
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
        },
        subnet_id: "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/cluster-subnet".into(),
        vnet_guid: None,
        admin_username: "azureuser".into(),
        ssh_public_key: "ssh-rsa AAAA trial".into(),
        cluster_identity: Identity::default(),
        kubelet_identity: Identity::default(),
        tags: std::collections::BTreeMap::new(),
    }
}

pub(super) fn encoded(text: &str) -> Option<String> {
    use base64::Engine as _;
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
    History::new(Arc::new(SystemClock), None).expect("history")
}

pub(super) fn started(machine: VirtualMachine) -> (VmEvent, VmEvent) {
    let gone = VmEvent::Deleted { id: machine.id.clone() };
    (VmEvent::Started(Arc::new(machine)), gone)
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_become_nodes_of_a_real_control_plane_and_go_again() {
    let Some(bin) = binaries() else { return };
    let history = history();
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
    let plane = control_plane(&bin).await;
    let ca = plane.cluster.ca_pem.clone();
    let nodes: Api<Node> = Api::all(plane.cluster.admin.clone());
    runner.connect(plane.cluster.clone());
    eprintln!("first: {}", reached(&history, "aks-nodepool1-12345678-vmss000000", BootStage::Registered).await);

    let (start, gone) = started(machine("aks-custom-abcde", encoded(&script(&ca, TOKEN, FQDN))));
    runner.handle(start);
    eprintln!("warm: {}", reached(&history, "aks-custom-abcde", BootStage::Registered).await);
    let node = nodes.get("aks-custom-abcde").await.expect("node");
    let spec = node.spec.clone().unwrap_or_default();
    assert!(spec.provider_id.unwrap_or_default().contains("/resourceGroups/mc_lab_lab_eastus/"));
    let taints: Vec<String> = spec.taints.unwrap_or_default().into_iter().map(|taint| taint.key).collect();
    assert!(taints.contains(&"karpenter.sh/unregistered".into()) && taints.contains(&"team".into()), "{taints:?}");
    assert!(!taints.iter().any(|key| key.contains("uninitialized")), "{taints:?}");
    let began = Instant::now();
    while !nodes
        .get("aks-custom-abcde")
        .await
        .expect("node")
        .metadata
        .annotations
        .unwrap_or_default()
        .contains_key("kwok.x-k8s.io/node")
    {
        assert!(began.elapsed() < Duration::from_secs(10), "it is not handed over");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    eprintln!("handed over {:?} later", began.elapsed());
    assert_eq!(node.metadata.labels.clone().unwrap_or_default()["topology.kubernetes.io/zone"], "eastus-2");

    let wrong = [
        ("aks-token", script(&ca, "abcdef.fedcba9876543210", FQDN), "401"),
        ("aks-server", script(&ca, TOKEN, "other.hcp.eastus.azmk8s.io"), "other.hcp.eastus.azmk8s.io"),
        ("aks-authority", script(&authority().as_ref().pem(), TOKEN, FQDN), "certificate authority"),
        (
            "aks-label",
            script(&ca, TOKEN, FQDN).replace("karpenter.sh/nodepool", "node-restriction.kubernetes.io/x"),
            "node-restriction",
        ),
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

    // Deleted while it boots: it never appears.
    let (start, gone) = started(machine("aks-short", encoded(&script(&ca, TOKEN, FQDN))));
    runner.handle(start);
    runner.handle(gone);

    let began = Instant::now();
    let many: Vec<String> = (0..50).map(|number| format!("aks-many-{number:02}")).collect();
    for name in &many {
        runner.handle(started(machine(name, encoded(&script(&ca, TOKEN, FQDN)))).0);
    }
    for name in &many {
        reached(&history, name, BootStage::Registered).await;
    }
    eprintln!("{} machines: {:?}", many.len(), began.elapsed());
    assert!(nodes.get_opt("aks-short").await.expect("answer").is_none());
    runner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_network_turns_ready_later() {
    let Some(bin) = binaries() else { return };
    let plane = control_plane(&bin).await;
    let history = history();
    let boot = Boot { kubelet_after: Some(Duration::ZERO), network_after: Some(Duration::from_millis(500)) };
    let settings = BootSettings { plan: Arc::new(EvenBoot(boot)), ..BootSettings::default() };
    let runner = NodeRunner::new(history.clone(), settings);
    runner.connect(plane.cluster.clone());
    runner.handle(started(machine("aks-late", encoded(&script(&plane.cluster.ca_pem, TOKEN, FQDN)))).0);
    reached(&history, "aks-late", BootStage::Registered).await;
    let nodes: Api<Node> = Api::all(plane.cluster.admin.clone());
    let ready = |node: Node| {
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    assert!(!ready(nodes.get("aks-late").await.expect("node")));
    let began = Instant::now();
    while !ready(nodes.get("aks-late").await.expect("node")) {
        assert!(began.elapsed() < Duration::from_secs(10), "it never turns ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    runner.stop().await;
}
