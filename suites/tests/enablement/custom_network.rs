//! The two commands of "Create an AKS cluster in a custom virtual network".

use catnap::prelude::*;
use serde_json::json;

use super::{mode_of, provisions};

/// The network of the document: 172.19.0.0/16 with a delegated apiServerSubnet of 16 addresses and clusterSubnet, and the
/// identity that is a Network Contributor on all of it.
pub(super) struct Network {
    pub(super) vnet: Vnet,
    pub(super) api_server: Subnet,
    pub(super) nodes: Subnet,
    pub(super) identity: Identity,
}

pub(super) async fn network(lab: &Lab) -> Result<Network, Failure> {
    let vnet = lab.azure().vnet("customVnet").address_space("172.19.0.0/16").create().await?;
    let delegation = "Microsoft.ContainerService/managedClusters";
    let api_server = vnet.subnet("apiServerSubnet", "172.19.0.0/28").delegated_to(delegation).create().await?;
    let nodes = vnet.subnet("clusterSubnet", "172.19.1.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    Ok(Network { vnet, api_server, nodes, identity })
}

/// ENA-14: the document's first command makes the cluster in the subnet given, with a managed identity of its own and
/// without a subnet for the API server, and nodes go to that subnet. Azure CLI gives that identity a role on the subnet
/// alone, so the provisioner has to be told the network's GUID (RBAC-34+).
#[scenario]
async fn the_first_command_goes_without_a_subnet_for_the_api_server(lab: &Lab) -> Outcome {
    let Network { vnet, nodes: subnet, .. } = network(lab).await?;
    let guid = vnet.get().await?["properties"]["resourceGuid"].as_str().unwrap_or_default().to_owned();
    lab.require::<ProvisionerControl>()?.env("VNET_GUID", &guid);
    let builder = lab.managed_cluster().node_provisioning(Auto).subnet(&subnet).change(|properties| {
        properties["networkProfile"] =
            json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium" });
    });
    let cluster = builder.create().await?;

    let shown = lab.shown(&cluster).await?;
    lab.verify("the cluster's state", Some("Succeeded"), shown["properties"]["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), mode_of(&shown))?;
    lab.verify("the identity", Some("SystemAssigned"), shown["identity"]["type"].as_str())?;
    let api_server = shown["properties"]["apiServerAccessProfile"]["subnetId"].as_str();
    lab.verify("the API server's subnet", None, api_server)?;
    provisions(&cluster, "p").await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()?;
    cluster.expect(nodes().of_agent_pool("nodepool1").all_in_subnet(&subnet)).now()
}

/// ENA-15, API-09: the document's second command, with both subnets and an identity and without a word about the network,
/// makes a cluster that shows all three, has Azure CNI, and provisions into clusterSubnet.
#[scenario]
async fn the_second_command_names_both_subnets_and_the_identity(lab: &Lab) -> Outcome {
    let Network { api_server, nodes: subnet, identity, .. } = network(lab).await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    // Azure CLI wants --enable-apiserver-vnet-integration with --apiserver-subnet-id, which the document leaves out.
    let builder = builder.change(|properties| {
        properties["networkProfile"] = json!({ "loadBalancerSku": "standard", "outboundType": "loadBalancer" });
        properties["apiServerAccessProfile"] = json!({ "enableVnetIntegration": true, "subnetId": api_server.id() });
    });
    let cluster = builder.create().await?;

    let shown = lab.shown(&cluster).await?;
    let properties = &shown["properties"];
    lab.verify("the cluster's state", Some("Succeeded"), properties["provisioningState"].as_str())?;
    let in_integration = properties["apiServerAccessProfile"]["subnetId"].as_str();
    lab.verify("the API server's subnet", Some(api_server.id()), in_integration)?;
    let of_pool = properties["agentPoolProfiles"][0]["vnetSubnetID"].as_str();
    lab.verify("the pool's subnet", Some(subnet.id()), of_pool)?;
    let principal = &shown["identity"]["userAssignedIdentities"][identity.id()]["principalId"];
    lab.verify("the identity", Some(identity.principal_id().as_str()), principal.as_str())?;
    lab.verify("the network plugin", Some("azure"), properties["networkProfile"]["networkPlugin"].as_str())?;
    lab.verify("the service range is filled in", true, properties["networkProfile"]["serviceCidr"].is_string())?;
    provisions(&cluster, "p").await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()
}
