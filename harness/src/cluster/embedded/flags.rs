//! The command lines of etcd and of the Kubernetes components, each flag with its reason.

use std::path::Path;
use std::time::Duration;

use super::{ApiServerShape, ControlPlaneSpec};
use crate::cluster::Identity;
use crate::process::{ChildSpec, Probe};

/// Where the files of a control plane lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a>(pub(super) &'a Path);

impl Files<'_> {
    pub(super) const CA: &'static str = "ca.crt";
    pub(super) const CA_KEY: &'static str = "ca.key";
    pub(super) const SERVER: &'static str = "kube-apiserver.crt";
    pub(super) const SERVER_KEY: &'static str = "kube-apiserver.key";
    pub(super) const ACCOUNTS: &'static str = "service-accounts.pub";
    pub(super) const ACCOUNTS_KEY: &'static str = "service-accounts.key";
    pub(super) const KWOK: &'static str = "kwok.yaml";
    pub(super) const TOKENS: &'static str = "tokens.csv";

    pub(super) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// etcd on Unix sockets: no port to choose, nobody else can reach it.
pub(super) fn etcd(program: &Path, files: Files<'_>) -> ChildSpec {
    // What it advertises must look like a TCP address, but it is alone, and nobody asks it where its members are.
    let nowhere = "http://localhost:1";
    ChildSpec::new("etcd", program)
        .args([
            "--name=catnap".to_owned(),
            format!("--data-dir={}", files.path("etcd.data")),
            format!("--listen-client-urls=unix://{}", files.path("etcd")),
            format!("--advertise-client-urls={nowhere}"),
            format!("--listen-peer-urls=unix://{}", files.path("peer")),
            format!("--initial-advertise-peer-urls={nowhere}"),
            format!("--initial-cluster=catnap={nowhere}"),
            // One member needs no time to find out that it is alone; the default first election takes up to 0.7 s. Still
            // shorter heartbeats keep an idle etcd busy: with 5 ms it uses three per cent of a core, with this one and a half.
            "--heartbeat-interval=20".to_owned(),
            "--election-timeout=100".to_owned(),
            // The data does not outlive the lab.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
            "--quota-backend-bytes=4294967296".to_owned(),
            // The API server lives in the lab's time and may ask for a sign of life many times in a second of ours.
            "--grpc-keepalive-min-time=1ms".to_owned(),
        ])
        // It only keeps what the API server gives it; leases apart, it needs no idea of time.
        .in_real_time()
        .ready(Probe::Socket(files.0.join("etcd")))
        .grace(Duration::from_secs(2))
}

/// kube-apiserver on a loopback port.
pub(super) fn kube_apiserver(shape: &ApiServerShape, files: Files<'_>, port: u16, ready: Probe) -> ChildSpec {
    ChildSpec::new("kube-apiserver", &shape.kube_apiserver)
        .args([
            format!("--etcd-servers=unix://{}", files.path("etcd")),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            // Without it the address of the default route is looked for, which not every machine has.
            "--advertise-address=127.0.0.1".to_owned(),
            // Nothing reaches the API server through its Service: there are no pods that run.
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--cert-dir={}", files.path("certificates")),
            format!("--tls-cert-file={}", files.path(Files::SERVER)),
            format!("--tls-private-key-file={}", files.path(Files::SERVER_KEY)),
            format!("--client-ca-file={}", files.path(Files::CA)),
            "--authorization-mode=Node,RBAC".to_owned(),
            // ServiceAccount and the others that are on by default stay on.
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--enable-bootstrap-token-auth=true".to_owned(),
            format!("--token-auth-file={}", files.path(Files::TOKENS)),
            format!("--service-account-issuer={ISSUER}"),
            format!("--service-account-key-file={}", files.path(Files::ACCOUNTS)),
            format!("--service-account-signing-key-file={}", files.path(Files::ACCOUNTS_KEY)),
            format!("--service-cluster-ip-range={}", service_ranges(shape)),
            "--allow-privileged=true".to_owned(),
            // Hundreds of nodes come and go within seconds here, and nobody is to wait for anybody else.
            "--enable-priority-and-fairness=false".to_owned(),
            "--max-requests-inflight=2000".to_owned(),
            "--max-mutating-requests-inflight=1000".to_owned(),
            "--profiling=false".to_owned(),
            // Nobody reads these metrics, and where a day goes by in a minute they would be asked for all the time.
            "--etcd-count-metric-poll-period=0".to_owned(),
            "--etcd-db-metric-poll-interval=0".to_owned(),
        ])
        .args(self_checks_off(&shape.kubernetes_version))
        // All that it does of itself is housekeeping of its own, and the ends of watches: in a day that goes by in a few
        // seconds it would do little else, and so would all whose watches end. What sleeps in it while the lab rests, the lab
        // does not wait for: its start (see `Controllers`), and young custom resources (`custom_resource::YOUNG`). What it
        // caches for some seconds (tokens that were good, quotas) it caches for as many of the machine's.
        .with_real_timers()
        // Fewer collections while it starts: 0.1 s for 90 MB.
        .env("GOGC", "400")
        .ready(ready)
        .grace(Duration::from_secs(2))
}

/// The ranges of Services, one of each family.
fn service_ranges(shape: &ApiServerShape) -> String {
    match shape.service_cidr_v6 {
        Some(second) => format!("{},{second}", shape.service_cidr),
        None => shape.service_cidr.to_string(),
    }
}

/// Kubernetes 1.34 began to compare its caches with etcd and to ask for the size of each resource every few minutes: many
/// requests to etcd where a day goes by in a minute. It changes no answer.
fn self_checks_off(kubernetes_version: &str) -> Option<String> {
    let minor: u32 = kubernetes_version.split('.').nth(1)?.parse().ok()?;
    // Older ones refuse a gate that they do not know.
    (minor >= 34).then(|| "--feature-gates=DetectCacheInconsistency=false,SizeBasedListCostEstimate=false".to_owned())
}

/// Ready as soon as a client in `system:masters` can work. The two hooks that are not waited for sleep for one second
/// before they write the bootstrap ClusterRoles and the `system-*-critical` priority classes.
pub(super) const READY_FOR_MASTERS: &str = "/readyz?exclude=poststarthook/rbac/bootstrap-roles\
     &exclude=poststarthook/scheduling/bootstrap-system-priority-classes";

/// kube-controller-manager, all default controllers. It serves no port: its readiness shows in what it does. Keys and
/// certificates of the cluster lie in the folder of its API server.
pub(super) fn kube_controller_manager(spec: &ControlPlaneSpec, files: Files<'_>, server: Files<'_>) -> ChildSpec {
    let child = ChildSpec::new("kube-controller-manager", &spec.binaries.kube_controller_manager).args([
        format!("--kubeconfig={}", files.path(Identity::ControllerManager.file_name())),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        format!("--node-monitor-grace-period={}s", spec.heartbeat.grace.as_secs()),
        format!("--root-ca-file={}", server.path(Files::CA)),
        format!("--service-account-private-key-file={}", server.path(Files::ACCOUNTS_KEY)),
        // TLS bootstrap: csrapproving and csrsigning are among the default controllers.
        format!("--cluster-signing-cert-file={}", server.path(Files::CA)),
        format!("--cluster-signing-key-file={}", server.path(Files::CA_KEY)),
        format!("--service-cluster-ip-range={}", spec.service_cidr),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
    ]);
    let child = match spec.pod_cidr {
        Some(pods) => child.args([
            "--allocate-node-cidrs=true".to_owned(),
            format!("--cluster-cidr={pods}"),
            // As Azure CNI Overlay does.
            "--node-cidr-mask-size=24".to_owned(),
        ]),
        None => child.arg("--allocate-node-cidrs=false"),
    };
    child.grace(Duration::from_secs(1))
}

/// kube-scheduler with its default profile.
pub(super) fn kube_scheduler(spec: &ControlPlaneSpec, files: Files<'_>) -> ChildSpec {
    ChildSpec::new("kube-scheduler", &spec.binaries.kube_scheduler)
        .args([
            format!("--kubeconfig={}", files.path(Identity::Scheduler.file_name())),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            // The default of 50 a second is what 5,000 pods would wait for.
            "--kube-api-qps=1000".to_owned(),
            "--kube-api-burst=2000".to_owned(),
            "--profiling=false".to_owned(),
        ])
        .grace(Duration::from_secs(1))
}

/// KWOK, with the kubeconfig and the configuration that lie in this folder.
pub(super) fn kwok(spec: &ControlPlaneSpec, files: Files<'_>) -> ChildSpec {
    let (kubeconfig, configuration) = (files.0.join(Identity::Kwok.file_name()), files.0.join(Files::KWOK));
    crate::cluster::kwok::child(&spec.binaries.kwok, &kubeconfig, &configuration, spec.pod_cidr, spec.heartbeat)
}
