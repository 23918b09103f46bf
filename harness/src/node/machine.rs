//! The Node object of a machine: what its kubelet registers, and what the cloud node manager adds.

use std::collections::BTreeMap;

use fake_arm::events::VirtualMachine;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use serde_json::{Value, json};

use super::capacity::{Hardware, Offer};
use super::kubelet::{KubeletConfig, Taint};
use super::provider_id::provider_id;
use crate::cluster::{HOLD_ANNOTATION, NODE_ANNOTATION};

const UNINITIALIZED: &str = "node.cloudprovider.kubernetes.io/uninitialized";

/// A kubelet about to register.
#[derive(Debug, Clone)]
pub(super) struct Registration<'a> {
    /// Its machine.
    pub(super) machine: &'a VirtualMachine,
    /// What it was told.
    pub(super) kubelet: &'a KubeletConfig,
    /// Its version, without `v`.
    pub(super) version: &'a str,
    /// Whether pods can have a network yet, so that the node is Ready. One without is held: KWOK, which looks after a
    /// node only if it was asked to when the node was created, would report it Ready.
    pub(super) network_ready: bool,
    /// A device plugin reports the machine's GPUs.
    pub(super) device_plugin: bool,
    /// The moment.
    pub(super) at: Timestamp,
}

/// `amd64`, `arm64`: Go's name of Azure's architecture.
fn go_architecture(azure: &str) -> &'static str {
    if azure.eq_ignore_ascii_case("arm64") { "arm64" } else { "amd64" }
}

/// `topology.kubernetes.io/zone` as cloud-provider-azure sets it: `<region>-<n>`, and for a machine without zone its
/// fault domain, which is `0` for a machine outside of an availability set (`GetZoneByNodeName` in azure_standard.go).
#[must_use]
pub fn zone_label(machine: &VirtualMachine) -> String {
    let region = machine.location.to_lowercase();
    machine
        .zone
        .as_deref()
        .filter(|zone| !zone.is_empty())
        .map_or_else(|| "0".into(), |zone| format!("{region}-{zone}"))
}

impl Registration<'_> {
    /// The Node that the kubelet creates.
    ///
    /// Where the network is there already it is Ready from its first moment, without the NotReady status that a real
    /// kubelet reports for some seconds; the `node.kubernetes.io/not-ready` taint that the API server puts on each new
    /// Node is there until the node lifecycle controller lifts it, as ever. The address is there at once, too, which in
    /// AKS is added a moment later by the cloud node manager. Its Lease is KWOK's: if anyone else made it, KWOK would
    /// leave the node alone until it ran out.
    #[must_use]
    pub(super) fn node(&self) -> Node {
        let machine = self.machine;
        let architecture = go_architecture(&machine.architecture);
        let mut labels = self.kubelet.labels.clone();
        // Windows is what an agent pool's machine is told to be; everything else is Linux.
        let os = labels.get("kubernetes.io/os").cloned().unwrap_or_else(|| "linux".to_owned());
        for (key, value) in [
            ("kubernetes.io/hostname", machine.computer_name.as_str()),
            ("kubernetes.io/arch", architecture),
            ("kubernetes.io/os", os.as_str()),
            ("beta.kubernetes.io/arch", architecture),
            ("beta.kubernetes.io/os", os.as_str()),
        ] {
            labels.insert(key.into(), value.into());
        }
        let mut taints = self.kubelet.taints.clone();
        if self.kubelet.external_cloud_provider {
            taints.push(Taint { key: UNINITIALIZED.into(), value: "true".into(), effect: "NoSchedule".into() });
        }
        let hardware = Hardware {
            vcpus: machine.vcpus,
            memory_gib: machine.memory_gib,
            os_disk_gb: machine.os_disk_gb,
            gpus: if self.device_plugin { machine.gpus } else { 0 },
        };
        let offer = Offer::new(hardware, self.kubelet);
        let address = machine.private_ip.map(|ip| json!({"type": "InternalIP", "address": ip}));
        let host = json!({"type": "Hostname", "address": machine.computer_name});
        let mut node = json!({
            "metadata": {
                "name": machine.computer_name,
                "labels": labels,
                "annotations": {
                    "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                    NODE_ANNOTATION: "fake",
                },
            },
            "spec": {"taints": taints},
            "status": {
                "capacity": offer.capacity,
                "allocatable": offer.allocatable,
                "addresses": address.into_iter().chain([host]).collect::<Vec<Value>>(),
                "conditions": conditions(self.network_ready, self.at),
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
                "nodeInfo": node_info(machine, self.version, architecture, &os),
            },
        });
        if !self.network_ready {
            node["metadata"]["annotations"][HOLD_ANNOTATION] = json!("no network yet");
        }
        serde_json::from_value(node).expect("a Node is built of the fields that a Node has")
    }
}

fn node_info(machine: &VirtualMachine, version: &str, architecture: &str, os: &str) -> Value {
    // Ids that a real machine reads from its firmware; from the ARM id here, so that they are the same in each run.
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, machine.id.to_lowercase().as_bytes());
    json!({
        "machineID": id.simple().to_string(),
        "systemUUID": id.to_string(),
        "bootID": uuid::Uuid::new_v5(&id, b"boot").to_string(),
        "kernelVersion": "6.8.0-1030-azure",
        "osImage": if os == "windows" {
            "Windows Server 2022 Datacenter"
        } else if machine.image.as_deref().is_some_and(|image| image.contains("AzureLinux")) {
            "Microsoft Azure Linux 3.0"
        } else {
            "Ubuntu 24.04.3 LTS"
        },
        "containerRuntimeVersion": "containerd://2.0.6-1",
        "kubeletVersion": format!("v{version}"),
        "kubeProxyVersion": "",
        "operatingSystem": os,
        "architecture": architecture,
    })
}

/// A kubelet's conditions.
#[must_use]
fn conditions(network_ready: bool, at: Timestamp) -> Value {
    let at = k8s_time(at);
    let condition = |kind: &str, status: bool, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": if status { "True" } else { "False" },
            "reason": reason,
            "message": message,
            "lastHeartbeatTime": at,
            "lastTransitionTime": at,
        })
    };
    let ready = if network_ready {
        condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
    } else {
        condition(
            "Ready",
            false,
            "KubeletNotReady",
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network \
             plugin returns error: cni plugin not initialized",
        )
    };
    json!([
        condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ready,
    ])
}

/// Kubernetes keeps whole seconds.
fn k8s_time(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// What the cloud node manager merges into a new Node: provider id, size, zone and region, and the taint that held
/// pods off until then is lifted. `node` is the Node as last seen; the patch applies to that version alone.
#[must_use]
pub(super) fn cloud_patch(machine: &VirtualMachine, node: &Node) -> Value {
    let taints: Vec<_> = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
        .filter(|taint| taint.key != UNINITIALIZED)
        .collect();
    let labels = BTreeMap::from([
        ("node.kubernetes.io/instance-type", machine.size.clone()),
        ("topology.kubernetes.io/zone", zone_label(machine)),
        ("topology.kubernetes.io/region", machine.location.to_lowercase()),
    ]);
    json!({
        "metadata": {"labels": labels, "resourceVersion": node.metadata.resource_version},
        "spec": {"providerID": provider_id(&machine.id), "taints": taints},
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A D4s_v5 in zone 2 as the provisioner asks for it.
    pub(in crate::node) fn machine(name: &str, custom_data: Option<String>) -> VirtualMachine {
        VirtualMachine {
            id: format!(
                "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/MC_lab_lab_eastus/providers/\
                 Microsoft.Compute/virtualMachines/{name}"
            ),
            name: name.into(),
            computer_name: name.into(),
            location: "eastus".into(),
            zone: Some("2".into()),
            size: "Standard_D4s_v5".into(),
            vcpus: 4,
            memory_gib: 16.0,
            architecture: "x64".into(),
            gpus: 0,
            os_disk_gb: 128,
            priority: "Regular".into(),
            custom_data,
            private_ip: Some([10, 0, 2, 4].into()),
            subnet_id: None,
            image: None,
            tags: BTreeMap::new(),
            agent_pool: None,
        }
    }

    fn kubelet() -> KubeletConfig {
        KubeletConfig::parse(
            "--cloud-provider=external --max-pods=250 --kube-reserved=cpu=140m,memory=2662Mi \
             --eviction-hard=memory.available<750Mi \
             --register-with-taints=team=blue:NoSchedule,karpenter.sh/unregistered:NoExecute",
            "karpenter.sh/nodepool=custom,kubernetes.io/arch=amd64,node.kubernetes.io/instance-type=Standard_D4s_v5",
        )
        .expect("flags")
    }

    fn registration<'a>(machine: &'a VirtualMachine, kubelet: &'a KubeletConfig) -> Registration<'a> {
        Registration {
            machine,
            kubelet,
            version: "1.34.4",
            network_ready: true,
            device_plugin: false,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_kubelet_registers_what_it_was_told_and_what_it_sees() {
        let (machine, kubelet) = (machine("aks-custom-abcde", None), kubelet());
        insta::assert_json_snapshot!(registration(&machine, &kubelet).node());
    }

    #[test]
    fn the_cloud_node_manager_adds_what_the_cloud_knows() {
        let (machine, kubelet) = (machine("aks-custom-abcde", None), kubelet());
        let mut node = registration(&machine, &kubelet).node();
        node.metadata.resource_version = Some("17".into());
        insta::assert_json_snapshot!(cloud_patch(&machine, &node));
    }

    #[test]
    fn a_machine_without_zone_is_labelled_with_its_fault_domain() {
        let regional = VirtualMachine { zone: None, ..machine("aks-regional", None) };
        assert_eq!(zone_label(&regional), "0");
        assert_eq!(zone_label(&machine("aks-zonal", None)), "eastus-2");
    }

    #[test]
    fn a_node_without_network_is_not_ready_and_held() {
        let (machine, kubelet) = (machine("aks-custom-abcde", None), kubelet());
        let node = Registration { network_ready: false, ..registration(&machine, &kubelet) }.node();
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        assert!(conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "False"));
        assert!(node.metadata.annotations.unwrap_or_default().contains_key(HOLD_ANNOTATION));
    }

    #[test]
    fn gpus_are_there_only_with_a_device_plugin() {
        let (machine, kubelet) = (VirtualMachine { gpus: 2, ..machine("aks-gpu", None) }, kubelet());
        let gpus = |device_plugin| {
            let node = Registration { device_plugin, ..registration(&machine, &kubelet) }.node();
            node.status.and_then(|status| status.allocatable).and_then(|all| all.get("nvidia.com/gpu").cloned())
        };
        assert_eq!(gpus(false), None);
        assert_eq!(gpus(true).map(|quantity| quantity.0), Some("2".into()));
    }
}
