//! The kubelet of an agent pool's machine. AKS writes its bootstrap script out of the user's sight, so it is composed
//! here from the pool's properties and what AKS documents (labels of system node pools, resource reservations).

use fake_arm::engine::ManagedCluster;
use fake_arm::events::{AgentPoolMembership, VirtualMachine};

use super::kubelet::{KubeletConfig, KubeletError, Threshold, taints};
use super::quantity::Quantity;

/// What AKS tells the kubelet of an agent pool's machine.
///
/// # Errors
/// [`KubeletError`] where a taint of the pool is none.
pub(super) fn kubelet_of(
    machine: &VirtualMachine,
    pool: &AgentPoolMembership,
    cluster: &ManagedCluster,
) -> Result<KubeletConfig, KubeletError> {
    let mut labels = pool.labels.clone();
    // Label values are at most 63 characters long; AKS cuts the group's name.
    let group: String = cluster.node_resource_group.chars().take(63).collect();
    let group = group.trim_end_matches(['-', '_', '.']);
    let priority = machine.priority.to_lowercase();
    for (key, value) in [
        ("agentpool", pool.pool.as_str()),
        ("kubernetes.azure.com/agentpool", pool.pool.as_str()),
        ("kubernetes.azure.com/cluster", group),
        ("kubernetes.azure.com/mode", &pool.mode.to_lowercase()),
        ("kubernetes.azure.com/role", "agent"),
        ("kubernetes.azure.com/os-sku", "Ubuntu"),
        ("kubernetes.azure.com/storageprofile", "managed"),
        ("node.kubernetes.io/instance-type", &machine.size),
    ] {
        labels.insert(key.into(), value.into());
    }
    if priority == "spot" {
        labels.insert("kubernetes.azure.com/scalesetpriority".into(), priority);
    }
    let memory = Quantity::units((machine.memory_gib * f64::from(1 << 30)) as i128);
    Ok(KubeletConfig {
        labels,
        taints: taints(&pool.taints.join(","))?,
        max_pods: pool.max_pods,
        kube_reserved: [
            ("cpu".into(), Quantity::milli(i128::from(reserved_millicores(machine.vcpus)))),
            ("memory".into(), reserved_memory(memory, pool.max_pods)),
        ]
        .into(),
        system_reserved: [].into(),
        eviction_hard: [
            ("memory.available".into(), Threshold::Absolute(Quantity::units(100 << 20))),
            ("nodefs.available".into(), Threshold::Percent(10.0)),
        ]
        .into(),
        cluster_dns: vec![cluster.network.dns_service_ip],
        external_cloud_provider: true,
    })
}

/// CPU that AKS keeps: 6 % of the first core, 4 % of the second, 2 % of the next two, 1 % of the rest, each counted
/// as AKS documents it (60 m for one core, 100 m for two, 140 m for four, 180 m for eight).
fn reserved_millicores(vcpus: u32) -> u32 {
    (1..=vcpus)
        .map(|core| match core {
            1 => 60,
            2 => 40,
            3 | 4 => 20,
            _ => 10,
        })
        .sum()
}

/// Memory that AKS keeps from Kubernetes 1.29 on: 20 MiB per pod and 50 MiB, at most a quarter.
fn reserved_memory(memory: Quantity, max_pods: u32) -> Quantity {
    Quantity::units((i128::from(max_pods) * 20 + 50) << 20).min(memory.percent(25.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_reserved_as_aks_documents_it() {
        let expected = [(1, 60), (2, 100), (4, 140), (8, 180), (16, 260), (32, 420), (64, 740)];
        for (vcpus, millicores) in expected {
            assert_eq!(reserved_millicores(vcpus), millicores, "{vcpus} cores");
        }
    }

    #[test]
    fn memory_is_reserved_by_pods_up_to_a_quarter() {
        let gib = |gib: i128| Quantity::units(gib << 30);
        assert_eq!(reserved_memory(gib(8), 30).value(), 650 << 20);
        assert_eq!(reserved_memory(gib(4), 70).value(), 1 << 30);
    }
}
