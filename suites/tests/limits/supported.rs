//! What one document excludes and the provisioner does all the same: a kubelet configuration, and disk encryption.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::knows_disk_encryption_sets;

use super::{D2, provisions};

/// LIM-04: an older document says that a custom kubelet configuration is not supported, a newer one does not. The
/// provisioner 1.7.1 takes `spec.kubelet` of a node class and starts the kubelets of its nodes with it; AKS takes the
/// `kubeletConfig` of an agent pool beside node auto-provisioning.
#[scenario]
async fn the_kubelet_configuration_of_a_node_class_reaches_its_nodes(lab: &Lab) -> Outcome {
    let builder = lab.managed_cluster().node_provisioning(Auto).change(|properties| {
        properties["agentPoolProfiles"][0]["kubeletConfig"] = json!({ "imageGcHighThreshold": 90 });
    });
    let cluster = builder.create().await?;
    let kubelet = json!({
        "imageGCHighThresholdPercent": 71,
        "imageGCLowThresholdPercent": 61,
        "cpuCFSQuota": false,
        "podPidsLimit": 4242,
    });
    cluster.apply(node_class("tuned").spec("kubelet", kubelet)).await?;
    cluster.apply(node_pool("tuned").sizes(&[D2])).await?;
    cluster.apply(deployment("web-tuned").cpu("1").on_pool("tuned")).await?;
    cluster.expect(pods("web-tuned").all_running()).within(minutes(5)).await?;
    // The control: the same flags of a class that says nothing of them.
    provisions(&cluster, "plain").await?;

    let flags = |pool: &str| {
        let node = cluster.nodes_of_pool(pool).pop().unwrap_or_default();
        cluster.kubelet_flags(&node).unwrap_or_default()
    };
    let (tuned, plain) = (flags("tuned"), flags("plain"));
    for flag in
        ["--image-gc-high-threshold=71", "--image-gc-low-threshold=61", "--cpu-cfs-quota=false", "--pod-max-pids=4242"]
    {
        lab.verify(&format!("{flag} is among {tuned:?}"), true, tuned.contains(flag))?;
        lab.verify(&format!("{flag} is among {plain:?}"), false, plain.contains(flag))?;
    }
    Ok(())
}

/// LIM-07: the documents exclude disk encryption sets. The provisioner 1.7.1 knows `NODE_OSDISK_DISKENCRYPTIONSET_ID` and
/// asks for the OS disks of its machines to be encrypted with it, where whoever runs it says so.
#[scenario]
async fn a_provisioner_that_is_told_of_a_disk_encryption_set_uses_it(lab: &Lab) -> Outcome {
    knows_disk_encryption_sets(lab)?;
    // In the node resource group, where the provisioner may read it.
    let group = format!("MC_{}_my-aks-cluster_{}", lab.azure().resource_group_name(), lab.azure().location());
    let keys = lab.azure().in_group(&group).id("Microsoft.Compute/diskEncryptionSets/keys");
    lab.require::<ProvisionerControl>()?.env("NODE_OSDISK_DISKENCRYPTIONSET_ID", &keys);
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    lab.verify("the node resource group", group.as_str(), cluster.node_resource_group())?;

    provisions(&cluster, "p").await?;

    let set = "/properties/storageProfile/osDisk/managedDisk/diskEncryptionSet/id";
    cluster.expect(vms().of_pool("p").all_with(set, &keys)).now()
}
