//! «Node autoprovisioning networking configuration»: its two examples, and what it excludes.

use serde_json::json;

use super::{Aks, recommended, refusal};

#[test]
fn the_command_makes_the_recommended_cluster() {
    let mut aks = Aks::created(&recommended("Auto"));
    let profile = aks.get()["properties"]["networkProfile"].clone();
    assert_eq!(
        (&profile["networkPlugin"], &profile["networkPluginMode"], &profile["networkDataplane"]),
        (&json!("azure"), &json!("overlay"), &json!("cilium"))
    );
    assert!(aks.engine.latest().node_provisioning);
}

#[test]
fn the_templates_network_profile_reads_back_unchanged() {
    // As printed below «ARM Template configuration».
    let printed = json!({
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkPolicy": "cilium",
        "networkDataplane": "cilium",
        "loadBalancerSku": "Standard"
    });
    let mut body = recommended("Auto");
    body["properties"]["networkProfile"] = printed.clone();
    let mut aks = Aks::created(&body);
    let shown = aks.get()["properties"]["networkProfile"].clone();
    for (name, value) in printed.as_object().unwrap() {
        assert_eq!(shown[name], *value, "{name}");
    }
}

#[test]
fn each_recommended_configuration_is_taken() {
    for (mode, dataplane) in [("overlay", "cilium"), ("overlay", "azure"), ("", "cilium"), ("", "azure")] {
        let mut body = recommended("Auto");
        body["properties"]["networkProfile"] =
            json!({"networkPlugin": "azure", "networkPluginMode": mode, "networkDataplane": dataplane});
        let mut aks = Aks::created(&body);
        let shown = aks.get()["properties"]["networkProfile"].clone();
        assert_eq!(shown["networkDataplane"], dataplane);
        assert_eq!(shown["networkPluginMode"].as_str().unwrap_or_default(), mode);
    }
    let mut own = recommended("Auto");
    own["properties"]["networkProfile"] = json!({"networkPlugin": "none"});
    Aks::created(&own);
}

#[test]
fn what_it_excludes_is_refused() {
    for (pointer, value) in [
        ("/networkProfile/networkPolicy", json!("calico")),
        ("/networkProfile/loadBalancerSku", json!("Basic")),
        ("/agentPoolProfiles/0/podSubnetID", json!("/subscriptions/s")),
        ("/agentPoolProfiles/0/podIPAllocationMode", json!("StaticBlock")),
        ("/apiServerAccessProfile", json!({"enablePrivateCluster": true})),
        ("/apiServerAccessProfile", json!({"enablePrivateCluster": true, "privateDNSZone": "none"})),
    ] {
        let mut body = recommended("Auto");
        let properties = &mut body["properties"];
        properties["networkProfile"]["networkDataplane"] = json!("azure");
        for (at, _) in [("apiServerAccessProfile", ()), ("podSubnetID", ()), ("podIPAllocationMode", ())] {
            if pointer.ends_with(at) && pointer.starts_with("/agentPool") {
                properties["agentPoolProfiles"][0][at] = value.clone();
            }
        }
        if let Some(found) = properties.pointer_mut(pointer) {
            *found = value.clone();
        } else if let Some(name) = pointer.strip_prefix("/networkProfile/") {
            properties["networkProfile"][name] = value.clone();
        } else if pointer == "/apiServerAccessProfile" {
            properties["apiServerAccessProfile"] = value.clone();
        }
        let mut aks = Aks::new();
        let message = refusal(aks.put(&body), 400, "OperationNotAllowed");
        assert!(
            message.starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto "),
            "{pointer}: {message}"
        );
        assert!(aks.engine.asked().is_empty());
    }
}
