//! KWOK in the kubelets' place: the stages that nodes and pods go through.
//!
//! KWOK looks after every Node with the annotation [`NODE_ANNOTATION`]` = fake`. It makes it Ready, holds and renews
//! its Lease (so nobody else may create that), runs the pods bound to it with an address from its `spec.podCIDR` (a
//! placeholder where nodes have no pod range), completes Jobs and lets deleted pods go. It never touches addresses,
//! capacity, allocatable or node info. Pods of a Node that is gone are left to the pod garbage collector of
//! kube-controller-manager, as on a real cluster.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};

use super::Heartbeat;
use crate::process::ChildSpec;

/// Annotation of a Node that KWOK is to look after; its value is `fake`. Taking it away stops its Lease too, which is
/// how a machine vanishes.
pub const NODE_ANNOTATION: &str = "kwok.x-k8s.io/node";

/// Annotation of a Node or a Pod that stays as it is while it is there, whatever its value: the node does not become
/// ready and sends no heartbeats (its Lease is still renewed), the pod does not start or complete.
pub const HOLD_ANNOTATION: &str = "catnap.dev/hold";

/// Value of [`HOLD_ANNOTATION`] for a Node that is to report nothing from here on, also what KWOK has planned already.
/// KWOK answers with [`SILENT_ANNOTATION`]; it does so only while it holds the node's Lease.
pub const SWITCHED_OFF: &str = "switched-off";

/// Annotation by which KWOK says that it reports nothing more for a Node; its value is `true`.
pub const SILENT_ANNOTATION: &str = "catnap.dev/silent";

/// Annotation of a Job's pod: how long it works, as `90s` or `1h`; one second where it is not given.
pub const COMPLETE_AFTER_ANNOTATION: &str = "catnap.dev/complete-after";

/// Annotation of a Pod that does not end at SIGTERM but when its grace is over, whatever its value.
pub const IGNORE_SIGTERM_ANNOTATION: &str = "catnap.dev/ignore-sigterm";

/// What a kubelet reports of a healthy node. Conditions that others wrote stay, and so does the time since when one has
/// held.
const CONDITIONS: &str = r"
{{ $now := Now }}
{{ $node := . }}
conditions:
{{ range NodeConditions }}
{{ $condition := . }}
{{ $since := $now }}
{{ range $node.status.conditions }}
{{ if and (eq .type $condition.type) (eq .status $condition.status) }}{{ $since = .lastTransitionTime }}{{ end }}
{{ end }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
{{ end }}
";

/// KWOK's configuration file. With `pod_ranges` a node is ready no earlier than it has a pod range, as with a real
/// network plugin. It reports of a node that nothing changes of every `report`, or at most a fifteenth later.
pub(super) fn configuration(pod_ranges: bool, report: Duration) -> String {
    let milliseconds = report.as_millis();
    let network = if pod_ranges { "- {key: .spec.podCIDR, operator: Exists}" } else { "" };
    include_str!("stages.yaml")
        // As a JSON string it is YAML on one line.
        .replace("%CONDITIONS%", &serde_json::Value::from(CONDITIONS).to_string())
        .replace("%NETWORK%", network)
        .replace("%REPORT%", &milliseconds.to_string())
        .replace("%REPORT_LATEST%", &(milliseconds * 16 / 15).to_string())
        .replace("%HOLD%", HOLD_ANNOTATION)
        .replace("%SWITCHED_OFF%", SWITCHED_OFF)
        .replace("%SILENT%", SILENT_ANNOTATION)
        .replace("%COMPLETE_AFTER%", COMPLETE_AFTER_ANNOTATION)
        .replace("%IGNORE_SIGTERM%", IGNORE_SIGTERM_ANNOTATION)
}

/// Where pods get their addresses when the cluster has no pod range. On Azure they would be secondary ip configurations
/// of the node's network interface; these are a placeholder out of 172.30.0.0/16 and 172.31.0.0/16, which AKS allows for
/// neither Services nor pods nor virtual networks, so that no such address is also a node's or a Service's.
const NOBODYS: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 30, 0, 0), 15));

/// KWOK's controller with this kubeconfig and this [`configuration`], giving addresses to pods of nodes without a pod range
/// out of `pods`.
pub(super) fn child(
    program: &Path,
    kubeconfig: &Path,
    configuration: &Path,
    pods: Option<IpNet>,
    heartbeat: Heartbeat,
) -> ChildSpec {
    let child = ChildSpec::new("kwok", program)
        .args([
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--config={}", configuration.display()),
            "--manage-all-nodes=false".to_owned(),
            format!("--manage-nodes-with-annotation-selector={NODE_ANNOTATION}=fake"),
            format!("--node-lease-duration-seconds={}", heartbeat.lease.as_secs()),
            // For pods of nodes without a pod range of their own.
            format!("--cidr={}", pods.unwrap_or(NOBODYS)),
        ])
        .grace(Duration::from_secs(1));
    match kubeconfig.parent() {
        // It reads ~/.kwok/kwok.yaml of whoever runs it otherwise.
        Some(folder) => child.env("HOME", folder),
        None => child,
    }
}
