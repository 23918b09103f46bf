//! The objects that every cluster has before anyone uses it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{BootstrapToken, ClusterError};

/// For how long an object is tried again that the API server does not take yet.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is the same in all clusters, in an order in which it can be created.
pub(super) fn of_every_cluster() -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    // The API server and kube-controller-manager make these too, a moment later: whoever is first.
    objects.extend(["kube-system", "default"].map(|name| {
        json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        })
    }));
    // Pods can be created only where there is one.
    objects.extend(["kube-system", "default"].map(|namespace| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace},
        })
    }));
    // What kubeadm binds: holders of a token may ask for a node's certificate, get it, and renew it.
    objects.extend(
        [
            ("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", BOOTSTRAPPERS),
            (
                "kubeadm:node-autoapprove-bootstrap",
                "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
                BOOTSTRAPPERS,
            ),
            (
                "kubeadm:node-autoapprove-certificate-rotation",
                "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
                "system:nodes",
            ),
        ]
        .map(|(name, role, group)| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
            })
        }),
    );
    objects
}

/// What is a cluster's own.
pub(super) fn of(dns_service_ip: IpAddr, token: &BootstrapToken) -> [Value; 2] {
    [dns_service(dns_service_ip), bootstrap_token(token)]
}

const BOOTSTRAPPERS: &str = "system:bootstrappers:kubeadm:default-node-token";

/// The provisioner asks this Service for the address that it puts into kubelet flags.
pub(super) fn dns_service(address: IpAddr) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "kube-dns", "namespace": "kube-system",
            "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"},
        },
        "spec": {
            "clusterIP": address,
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 53},
            ],
        },
    })
}

pub(super) fn bootstrap_token(token: &BootstrapToken) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": format!("bootstrap-token-{}", token.id()), "namespace": "kube-system"},
        "stringData": {
            "token-id": token.id(),
            "token-secret": token.secret(),
            "usage-bootstrap-authentication": "true",
            "usage-bootstrap-signing": "true",
            "auth-extra-groups": BOOTSTRAPPERS,
        },
    })
}

/// Creates an object, or finds it there. A fresh API server refuses some things for a moment (a Service before its
/// range is ready, anything in a namespace that is about to be), so refusals are tried again for a while.
pub(super) async fn create(client: &kube::Client, object: &Value) -> Result<(), ClusterError> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name, namespace) = (text("/kind"), text("/metadata/name"), text("/metadata/namespace"));
    let failed =
        |source: kube::Error| ClusterError::Object { kind: kind.clone(), name: name.clone(), source: Box::new(source) };
    let typed: DynamicObject =
        serde_json::from_value(object.clone()).map_err(|error| failed(kube::Error::SerdeError(error)))?;
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind { group, version, kind: kind.clone() });
    let api: Api<DynamicObject> = if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &namespace, &resource)
    };
    let began = Instant::now();
    loop {
        match api.create(&PostParams::default(), &typed).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => return Ok(()),
            Err(error) if began.elapsed() > PATIENCE => return Err(failed(error)),
            Err(error) => {
                tracing::debug!(%error, kind, name, "not yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}
