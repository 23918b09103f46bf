//! With the real programs.

use std::time::{Duration, Instant};

use crate::clock::LabClock;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::wait::await_condition;
use rand::SeedableRng;
use serde_json::json;

use super::*;
use crate::cluster::pool::Lender;
use crate::cluster::{
    BootstrapToken, HOLD_ANNOTATION, Heartbeat, IGNORE_SIGTERM_ANNOTATION, Identity, NODE_ANNOTATION,
};
use crate::history::History;
use crate::process::Processes;
use crate::test_support::binaries;

struct Lab {
    logs: tempfile::TempDir,
    spec: ControlPlaneSpec,
}

fn lab() -> Lab {
    let binaries = binaries();
    let logs = tempfile::tempdir().unwrap();
    let history = History::new(LabClock::real(), None).unwrap();
    let processes = Processes::new(logs.path(), history).unwrap();
    let spec = ControlPlaneSpec {
        binaries: binaries.into(),
        processes,
        kubernetes_version: binaries.versions.kubernetes.clone(),
        service_cidr: "10.0.0.0/16".parse().unwrap(),
        service_cidr_v6: None,
        pod_cidr: Some("10.244.0.0/16".parse().unwrap()),
        dns_service_ip: "10.0.0.10".parse().unwrap(),
        bootstrap_token: BootstrapToken::draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(1)),
        heartbeat: Heartbeat::KUBELET,
        lender: None,
    };
    Lab { logs, spec }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(30), future).await {
        Ok(done) => done,
        Err(_) => panic!("not within 30 s: {what}"),
    }
}

fn node(name: &str) -> Node {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "annotations": {NODE_ANNOTATION: "fake"}},
        "spec": {"providerID": format!("azure:///subscriptions/s/{name}")},
        "status": {
            "capacity": {"cpu": "2", "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": "1900m", "memory": "6Gi", "pods": "110"},
            "addresses": [{"type": "InternalIP", "address": "10.1.0.4"}],
        },
    }))
    .unwrap()
}

fn pod(name: &str, annotations: serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "main", "image": "pause"}]},
    }))
    .unwrap()
}

fn is_ready(node: Option<&Node>) -> bool {
    let conditions = node.and_then(|node| node.status.as_ref()).and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}

fn phase(pod: Option<&Pod>) -> Option<&str> {
    pod?.status.as_ref()?.phase.as_deref()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_comes_up_serves_and_goes() {
    let Lab { logs, spec } = lab();
    let control_plane = ControlPlane::start(spec.clone()).await.unwrap();
    let client = control_plane.client(Identity::Provisioner).await.unwrap();
    assert_eq!(client.apiserver_version().await.unwrap().git_version, format!("v{}", spec.kubernetes_version));
    let dns: Service = Api::namespaced(client.clone(), "kube-system").get("kube-dns").await.unwrap();
    assert_eq!(dns.spec.unwrap().cluster_ip.unwrap(), "10.0.0.10");
    for (group, version, kind) in [
        ("karpenter.sh", "v1", "NodePool"),
        ("karpenter.sh", "v1", "NodeClaim"),
        ("karpenter.azure.com", "v1beta1", "AKSNodeClass"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::<DynamicObject>::all_with(client.clone(), &resource).list(&Default::default()).await.unwrap();
    }
    control_plane.settled().await.unwrap();
    let memory = control_plane.memory();
    assert_eq!(memory.len(), 5, "{memory:?}");
    println!("{:?}, memory {memory:?}", control_plane.start_up());

    let began = Instant::now();
    control_plane.stop().await;
    println!("stopped after {:?}", began.elapsed());
    for record in spec.processes.history().since(0) {
        println!("{} {:?}", record.wall, record.event);
    }
    assert_eq!(spec.processes.running().len(), 0);
    assert!(logs.path().join("kube-apiserver.log").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_scheduled_runs_and_goes() {
    let Lab { logs: _logs, spec } = lab();
    let control_plane = ControlPlane::start(spec).await.unwrap();
    let client = control_plane.client(Identity::Admin).await.unwrap();
    let nodes: Api<Node> = Api::all(client.clone());
    let pods: Api<Pod> = Api::default_namespaced(client.clone());

    nodes.create(&PostParams::default(), &node("one")).await.unwrap();
    within("the node is ready", await_condition(nodes.clone(), "one", |n: Option<&Node>| is_ready(n))).await.unwrap();
    let one = nodes.get("one").await.unwrap();
    let status = one.status.unwrap();
    assert_eq!(status.allocatable.unwrap()["cpu"].0, "1900m", "KWOK leaves what the registrar wrote");
    assert_eq!(status.addresses.unwrap()[0].address, "10.1.0.4");
    let range: ipnet::IpNet = one.spec.unwrap().pod_cidr.unwrap().parse().unwrap();
    assert_eq!(range.prefix_len(), 24);

    let running = |p: Option<&Pod>| phase(p) == Some("Running");
    pods.create(&PostParams::default(), &pod("web", json!({}))).await.unwrap();
    within("the pod runs", await_condition(pods.clone(), "web", running)).await.unwrap();
    let web = pods.get("web").await.unwrap().status.unwrap();
    assert!(range.contains(&web.pod_ip.unwrap().parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(web.host_ip.unwrap(), "10.1.0.4");

    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "work"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "pause"}]}}},
    });
    let jobs: Api<k8s_openapi::api::batch::v1::Job> = Api::default_namespaced(client.clone());
    jobs.create(&PostParams::default(), &serde_json::from_value(job).unwrap()).await.unwrap();
    within("the job completes", await_condition(jobs, "work", kube::runtime::conditions::is_job_completed()))
        .await
        .unwrap();

    pods.create(&PostParams::default(), &pod("held", json!({HOLD_ANNOTATION: ""}))).await.unwrap();
    let bound = |p: Option<&Pod>| p.and_then(|p| p.spec.as_ref()).is_some_and(|spec| spec.node_name.is_some());
    within("the held pod is bound", await_condition(pods.clone(), "held", bound)).await.unwrap();
    let gone = |p: Option<&Pod>| p.is_none();
    pods.delete("web", &DeleteParams::default()).await.unwrap();
    within("the pod is gone", await_condition(pods.clone(), "web", gone)).await.unwrap();
    // Deleted meanwhile: the other pod has had every chance to start.
    assert_eq!(phase(Some(&pods.get("held").await.unwrap())), Some("Pending"));
    let release = json!({"metadata": {"annotations": {HOLD_ANNOTATION: null}}});
    pods.patch("held", &PatchParams::default(), &Patch::Merge(release)).await.unwrap();
    within("the released pod runs", await_condition(pods.clone(), "held", running)).await.unwrap();

    pods.create(&PostParams::default(), &pod("deaf", json!({IGNORE_SIGTERM_ANNOTATION: ""}))).await.unwrap();
    within("the deaf pod runs", await_condition(pods.clone(), "deaf", running)).await.unwrap();
    let began = Instant::now();
    pods.delete("deaf", &DeleteParams::default().grace_period(2)).await.unwrap();
    within("the deaf pod is gone", await_condition(pods.clone(), "deaf", gone)).await.unwrap();
    assert!(began.elapsed() > Duration::from_millis(900), "it uses its grace: {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_token_is_good_for_a_node_certificate_and_for_nothing_else() {
    use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
    let Lab { logs: _logs, spec } = lab();
    let control_plane = ControlPlane::start(spec).await.unwrap();
    control_plane.settled().await.unwrap();
    let holder = |token: &str| {
        let mut config = kube::Config::new(control_plane.url().parse().unwrap());
        let ca = rustls_pem(control_plane.ca_pem());
        config.root_cert = Some(vec![ca]);
        config.auth_info.token = Some(token.to_owned().into());
        kube::Client::try_from(config).unwrap()
    };
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(rcgen::DnType::CommonName, "system:node:aks-one");
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let request: CertificateSigningRequest = serde_json::from_value(json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"generateName": "csr-"},
        "spec": {
            "request": base64::Engine::encode(&base64::engine::general_purpose::STANDARD, request),
            "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"],
        },
    }))
    .unwrap();

    let requests: Api<CertificateSigningRequest> = Api::all(holder("abcdef.0123456789abcdef"));
    let refused = requests.create(&PostParams::default(), &request).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused}");

    let client = holder(&control_plane.bootstrap_token().to_string());
    let requests: Api<CertificateSigningRequest> = Api::all(client.clone());
    let name = requests.create(&PostParams::default(), &request).await.unwrap().metadata.name.unwrap();
    let signed = |r: Option<&CertificateSigningRequest>| {
        r.is_some_and(|r| r.status.as_ref().is_some_and(|s| s.certificate.is_some()))
    };
    within("the request is approved and signed", await_condition(requests, &name, signed)).await.unwrap();
    let nodes: Api<Node> = Api::all(client);
    let refused = nodes.create(&PostParams::default(), &node("aks-one")).await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 403), "{refused}");
}

fn rustls_pem(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_control_planes_live_side_by_side() {
    let (first, second) = (lab(), lab());
    let (one, two) = tokio::join!(ControlPlane::start(first.spec), ControlPlane::start(second.spec));
    assert_ne!(one.unwrap().url(), two.unwrap().url());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_noticed_and_told_with_the_log() {
    let Lab { logs: _logs, spec } = lab();
    let control_plane = ControlPlane::start(spec).await.unwrap();
    control_plane.process("kube-scheduler").unwrap().signal(nix::sys::signal::Signal::SIGKILL);
    let death = within("the death is noticed", control_plane.died()).await;
    assert!(death.starts_with("kube-scheduler was ended by SIGKILL by itself; the end of "), "{death}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_fails_leaves_nothing_running() {
    let Lab { logs: _logs, mut spec } = lab();
    let scheduler = std::mem::replace(&mut spec.binaries.kube_scheduler, "/nonexistent".into());
    let error = ControlPlane::start(spec.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to start kube-scheduler: /nonexistent cannot be read"), "{error}");
    spec.binaries.kube_scheduler = scheduler;
    spec.binaries.etcd = "/bin/false".into();
    let error = ControlPlane::start(spec.clone()).await.unwrap_err().to_string();
    assert!(error.starts_with("etcd exited with status 1 before it was ready"), "{error}");
    for child in spec.processes.running() {
        within("what was started is gone", child.exited()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_strangers_take_is_chosen_anew() {
    use std::os::unix::fs::PermissionsExt;
    let Lab { logs, mut spec } = lab();
    // Meets a stranger the first two times.
    let fake = logs.path().join("fake-apiserver");
    let real = std::path::absolute(&spec.binaries.kube_apiserver).unwrap();
    let script = format!(
        "#!/bin/sh\n[ -e {0}.2 ] && exec {1} \"$@\"\n[ -e {0}.1 ] && : >{0}.2\n: >{0}.1\n\
         echo 'listen tcp 127.0.0.1:1: bind: address already in use'; exit 1\n",
        fake.display(),
        real.display()
    );
    std::fs::write(&fake, script).unwrap();
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    spec.binaries.kube_apiserver = fake.clone();
    ControlPlane::start(spec.clone()).await.unwrap();
    let etcds = spec.processes.running().iter().filter(|child| child.name().starts_with("etcd")).count();
    assert_eq!(etcds, 1, "what belonged to the earlier attempts is gone");

    std::fs::write(&fake, "#!/bin/sh\necho 'bind: address already in use'; exit 1\n").unwrap();
    let error = ControlPlane::start(spec).await.unwrap_err().to_string();
    assert!(error.starts_with("failed to start kube-apiserver: 5 ports were taken by other programs"), "{error}");
}

/// A lab that borrows its API server.
async fn borrower(lender: &Lender<ApiServerMaker>, who: &str) -> (Lab, ApiServerBorrower) {
    let mut lab = lab();
    let line = lender.line().unwrap();
    let (borrower, page) = ApiServerBorrower::enter(line, who, crate::cluster::pool::TimeWish::Real).await.unwrap();
    assert!(page.is_none());
    lab.spec.lender = Some(borrower.clone());
    (lab, borrower)
}

/// Runs a scenario in a control plane on a lent API server; where that was.
async fn lent(
    lender: &Lender<ApiServerMaker>,
    who: &str,
    scenario: impl AsyncFnOnce(&ControlPlane, &kube::Client),
) -> String {
    let (lab, borrower) = borrower(lender, who).await;
    let control_plane = ControlPlane::start(lab.spec.clone()).await.unwrap();
    control_plane.settled().await.unwrap();
    let client = control_plane.client(Identity::Admin).await.unwrap();
    scenario(&control_plane, &client).await;
    let url = control_plane.url();
    lab.spec.processes.end_now();
    control_plane.give_back();
    borrower.leave();
    within("it is emptied", lender.quiet()).await;
    for name in ["etcd.log", "kube-apiserver.log", "kube-controller-manager.log"] {
        assert!(lab.logs.path().join(name).exists(), "{name} is with the lab's logs");
    }
    url
}

fn dynamic(object: serde_json::Value) -> (ApiResource, DynamicObject) {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let types = object.types.clone().unwrap();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", &types.api_version));
    (ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind)), object)
}

async fn make(client: &kube::Client, object: serde_json::Value) {
    let (resource, object) = dynamic(object);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.create(&PostParams::default(), &object).await.unwrap();
}

/// Who comes after a scenario that has left much behind finds nothing of it, in the same API server.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_scenario_leaves_is_removed_before_the_next_one() {
    let lender = ApiServerMaker::lender(1).unwrap();
    let first = lent(&lender, "first", async |_, client| {
        let nodes: Api<Node> = Api::all(client.clone());
        nodes.create(&PostParams::default(), &node("aks-one")).await.unwrap();
        within("the node is ready", await_condition(nodes, "aks-one", is_ready)).await.unwrap();
        make(client, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await;
        for number in 0..5 {
            let mut pod = serde_json::to_value(pod(&format!("web-{number}"), json!({}))).unwrap();
            pod["apiVersion"] = "v1".into();
            pod["kind"] = "Pod".into();
            pod["metadata"]["namespace"] = "shop".into();
            pod["spec"]["serviceAccountName"] = "default".into();
            make(
                client,
                json!({
                    "apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": format!("s-{number}"), "namespace": "shop"},
                }),
            )
            .await;
            pod["spec"]["serviceAccountName"] = format!("s-{number}").into();
            make(client, pod).await;
        }
        let pods: Api<Pod> = Api::namespaced(client.clone(), "shop");
        within("a pod runs", await_condition(pods, "web-0", |pod: Option<&Pod>| phase(pod) == Some("Running")))
            .await
            .unwrap();
        make(client, json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {
                "metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "pause"}]},
            }},
        })).await;
        make(
            client,
            json!({
                "apiVersion": "karpenter.sh/v1", "kind": "NodeClaim",
                "metadata": {"name": "p-one", "finalizers": ["karpenter.sh/termination"]},
                "spec": {
                    "nodeClassRef": {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"},
                    "requirements": [],
                },
            }),
        )
        .await;
        make(
            client,
            json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
                "spec": {"type": "NodePort", "ports": [{"port": 80}]},
            }),
        )
        .await;
    })
    .await;
    let second = lent(&lender, "second", async |_, client| {
        let pods: Api<Pod> = Api::all(client.clone());
        assert_eq!(pods.list(&Default::default()).await.unwrap().items, []);
        let nodes: Api<Node> = Api::all(client.clone());
        assert_eq!(nodes.list(&Default::default()).await.unwrap().items, []);
        let shop: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
        assert!(shop.get_opt("shop").await.unwrap().is_none());
        let services: Api<Service> = Api::all(client.clone());
        let services = services.list(&Default::default()).await.unwrap();
        let mut names: Vec<_> = services.items.into_iter().filter_map(|service| service.metadata.name).collect();
        names.sort();
        assert_eq!(names, ["kube-dns", "kubernetes"]);
    })
    .await;
    assert_eq!(first, second, "{:?}", lender.close().await);
    let statistics = lender.close().await;
    assert_eq!((statistics.made, statistics.lent_again), (1, 1));
    assert_eq!(statistics.thrown_away, []);
}

/// Five that leave something which the next one would notice, or that tells of a change of the cluster itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_right_makes_the_next_one_get_a_fresh_api_server() {
    let lender = ApiServerMaker::lender(1).unwrap();
    let mut before = lent(&lender, "nothing", async |_, _| {}).await;
    let mut had = |url: String| std::mem::replace(&mut before, url);

    let url = lent(&lender, "a-finalizer", async |_, client| {
        make(
            client,
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "held", "namespace": "default", "finalizers": ["example.com/hold"]},
            }),
        )
        .await;
    })
    .await;
    assert_eq!(had(url.clone()), url, "{:?}", lender.statistics());

    let url = lent(&lender, "a-role", async |_, client| {
        let roles: Api<k8s_openapi::api::rbac::v1::ClusterRole> = Api::all(client.clone());
        let patch = json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]});
        roles.patch("system:node-bootstrapper", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    })
    .await;
    assert_ne!(had(url.clone()), url);

    let url = lent(&lender, "a-webhook", async |_, client| {
        make(client, json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "refuses"},
            "webhooks": [{
                "name": "refuses.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {"url": "https://127.0.0.1:1/"}, "failurePolicy": "Ignore",
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            }],
        })).await;
    })
    .await;
    assert_ne!(had(url.clone()), url);

    let url = lent(&lender, "a-crd", async |_, client| {
        make(
            client,
            json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                "metadata": {"name": "things.example.com"},
                "spec": {
                    "group": "example.com", "scope": "Cluster",
                    "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
                    "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                        "type": "object",
                    }}}],
                },
            }),
        )
        .await;
    })
    .await;
    assert_ne!(had(url.clone()), url);

    let url = lent(&lender, "a-taint", async |_, client| {
        let mut system = serde_json::to_value(node("aks-system")).unwrap();
        system["apiVersion"] = "v1".into();
        system["kind"] = "Node".into();
        system["metadata"]["labels"] = json!({"kubernetes.azure.com/mode": "system"});
        system["spec"]["taints"] = json!([{"key": "mine", "value": "yes", "effect": "NoSchedule"}]);
        make(client, system).await;
    })
    .await;
    assert_ne!(had(url.clone()), url);

    let url = lent(&lender, "the-last", async |_, _| {}).await;
    assert_ne!(had(url.clone()), url);
    let reasons: Vec<_> =
        lender.close().await.thrown_away.into_iter().map(|one| format!("{}: {}", one.by, one.why)).collect();
    let expected = [
        "a-finalizer: ConfigMap default/held was left with the finalizer example.com/hold",
        "a-role: ClusterRole.rbac.authorization.k8s.io system:node-bootstrapper is not as it was: ",
        "a-webhook: ValidatingWebhookConfiguration.admissionregistration.k8s.io refuses was left, which changes what",
        "a-crd: CustomResourceDefinition.apiextensions.k8s.io things.example.com was left, which changes what",
        "a-taint: Node aks-system, of the cluster's own, was left with the taint mine=yes:NoSchedule",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:#?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.starts_with(expected), "{reason}");
    }
}

/// An API server that is lent is part of the lab: its end is told, and another version may take its place.
#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_a_lent_api_server_is_noticed() {
    let lender = ApiServerMaker::lender(1).unwrap();
    let (lab, borrower) = borrower(&lender, "unlucky").await;
    let control_plane = ControlPlane::start(lab.spec.clone()).await.unwrap();
    let [_, server] = &lab.spec.processes.neighbours()[..] else { panic!("etcd and kube-apiserver") };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(server.pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    let death = within("the death is noticed", control_plane.died()).await;
    assert!(death.starts_with("kube-apiserver was ended by SIGKILL by itself; the end of "), "{death}");
    lab.spec.processes.end_now();
    control_plane.give_back();
    borrower.leave();
    let next = lent(&lender, "next", async |_, _| {}).await;
    assert_ne!(next, control_plane.url());
}

const HOST: &str = "CATNAP_TEST_LENDER";

/// A run in the test below: one API server that nobody has, one that a lab has; says where they are, and goes on until it is
/// ended from outside.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_lends_and_waits_for_its_end() {
    let Ok(answer) = std::env::var(HOST) else { return };
    let answer = std::path::PathBuf::from(answer);
    let lender = ApiServerMaker::lender(2).unwrap();
    let listening = lender.listen().unwrap();
    let mut told = String::new();
    let tell = |told: &mut String, place: &ApiServerPlace| {
        *told += &format!("{}\n", place.folder.parent().unwrap().display());
        place.processes.iter().for_each(|process| *told += &format!("{}\n", process.pid));
    };
    let shape = lab().spec.shape();
    // Another shape, so that the first one stays where it is.
    let other = ApiServerShape { service_cidr: "10.9.0.0/16".parse().unwrap(), ..shape.clone() };
    for (shape, is_back) in [(shape, true), (other, false)] {
        let line = crate::cluster::pool::connect(listening.name()).unwrap();
        let wish = crate::cluster::pool::TimeWish::Real;
        let (borrower, _) = ApiServerBorrower::enter(line, "host", wish).await.unwrap();
        let loan = borrower.lend(shape).await.unwrap();
        tell(&mut told, loan.place());
        if is_back {
            loan.give_back();
            borrower.leave();
            lender.quiet().await;
        } else {
            std::fs::write(answer.with_extension("part"), &told).unwrap();
            std::fs::rename(answer.with_extension("part"), &answer).unwrap();
            std::future::pending::<()>().await;
        }
    }
}

#[test]
fn nothing_that_was_lent_or_kept_is_left_after_kill_9_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let answer = folder.path().join("host");
    let mut host = std::process::Command::new(std::env::current_exe().unwrap());
    host.args(["--exact", "cluster::embedded::tests::a_host_that_lends_and_waits_for_its_end"]).env(HOST, &answer);
    let (out, err) = (std::process::Stdio::null(), std::process::Stdio::null());
    let mut host = host.stdout(out).stderr(err).spawn().unwrap();
    let eventually = |what: &str, is: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is() {
            assert!(began.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    eventually("the host is up", &|| answer.exists());
    let told = std::fs::read_to_string(&answer).unwrap();
    let runs = |pid: &str| {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    let (folders, pids): (Vec<&str>, Vec<&str>) = told.lines().partition(|line| line.starts_with('/'));
    assert_eq!((folders.len(), pids.len()), (2, 4), "one that nobody has and one that a lab has: {told}");
    assert!(pids.iter().all(|pid| runs(pid)) && folders.iter().all(|folder| std::path::Path::new(folder).exists()));
    host.kill().unwrap();
    host.wait().unwrap();
    eventually("the processes are gone", &|| !pids.iter().any(|pid| runs(pid)));
    eventually("the folders are gone", &|| !folders.iter().any(|folder| std::path::Path::new(folder).exists()));
}
