//! The way out of the cluster, which node auto-provisioning settles.

use catnap::prelude::*;
use serde_json::json;

use super::{provisions, verify_refused};

/// LIM-11: the outbound type of a cluster with node auto-provisioning cannot be changed, to whichever type; without node
/// auto-provisioning it can.
#[scenario]
async fn the_outbound_type_stays(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    let before = lab.shown(&cluster).await?;
    lab.verify(
        "the outbound type",
        Some("loadBalancer"),
        before["properties"]["networkProfile"]["outboundType"].as_str(),
    )?;

    for other in ["managedNATGateway", "userAssignedNATGateway", "userDefinedRouting", "none", "block"] {
        let refused = lab.update(&cluster, |p| p["networkProfile"]["outboundType"] = json!(other)).await.err();
        verify_refused(lab, &format!("a change to {other}"), refused.as_ref(), "outboundType")?;
        lab.verify_unchanged(&format!("the cluster after {other}"), &before, &lab.shown(&cluster).await?)?;
    }

    lab.set_node_provisioning(&cluster, Manual).await?;
    let after = lab.update(&cluster, |p| p["networkProfile"]["outboundType"] = json!("managedNATGateway")).await?;
    let outbound = after["properties"]["networkProfile"]["outboundType"].as_str();
    lab.verify("the outbound type without node auto-provisioning", Some("managedNATGateway"), outbound)
}

/// LIM-12: one request that turns node auto-provisioning on and changes the outbound type is refused as a whole; one after
/// the other, the outbound type first, both are taken. What Azure says to both at once is not documented.
#[scenario]
async fn enabling_and_another_outbound_type_are_two_requests(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().create().await?;
    let before = lab.shown(&cluster).await?;

    let both = lab.update(&cluster, |properties| {
        properties["networkProfile"]["outboundType"] = json!("managedNATGateway");
        properties["nodeProvisioningProfile"]["mode"] = json!("Auto");
    });
    verify_refused(lab, "both at once", both.await.err().as_ref(), "outboundType")?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;

    lab.update(&cluster, |p| p["networkProfile"]["outboundType"] = json!("managedNATGateway")).await?;
    lab.set_node_provisioning(&cluster, Auto).await?;
    let after = lab.shown(&cluster).await?;
    let outbound = after["properties"]["networkProfile"]["outboundType"].as_str();
    lab.verify("the outbound type", Some("managedNATGateway"), outbound)?;
    provisions(&cluster, "p").await
}
