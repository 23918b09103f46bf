//! The subnet that AKS puts the API server into: how large, whose, and for what else.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::time_for_launches;

use super::custom_network::{Network, network};
use super::{CONTAINER_SERVICE, D2, verify_refused};

const NETWORK: &str = "2024-05-01";
const DELEGATION: &str = "Microsoft.ContainerService/managedClusters";

/// A cluster in the network, its API server in the subnet with this id.
fn integrated<'a>(lab: &'a Lab, network: &Network, subnet_id: &str) -> ManagedClusterBuilder<'a> {
    let profile = json!({ "enableVnetIntegration": true, "subnetId": subnet_id });
    let builder = lab.managed_cluster().identity(&network.identity).subnet(&network.nodes);
    builder.property("apiServerAccessProfile", profile)
}

/// The configurations that stand in a subnet.
async fn addresses_in_use(subnet: &Subnet) -> Result<usize, Failure> {
    Ok(subnet.get().await?["properties"]["ipConfigurations"].as_array().map_or(0, Vec::len))
}

/// API-01, API-02: the API server's subnet has at least 16 addresses and is delegated to AKS: any other is refused before
/// anything is made.
#[scenario(azure_only)]
#[case::half_as_large(29, Some(DELEGATION))]
#[case::not_delegated(28, None)]
#[case::delegated_to_another_service(28, Some("Microsoft.Web/serverFarms"))]
async fn an_unfit_subnet_is_refused(lab: &Lab, #[case] length: u8, #[case] delegation: Option<&str>) -> Outcome {
    let network = network(lab).await?;
    let unfit = network.vnet.subnet("unfit", &format!("172.19.2.0/{length}"));
    let unfit = match delegation {
        Some(service) => unfit.delegated_to(service).create().await?,
        None => unfit.create().await?,
    };

    let (id, body) = integrated(lab, &network, unfit.id()).node_provisioning(Auto).request();
    let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();

    lab.verify("the status", Some(400), refused.as_ref().and_then(ArmError::status))?;
    verify_refused(lab, "the subnet", refused.as_ref(), "apiServerAccessProfile.subnetId")?;
    lab.verify("addresses in the subnet", 0, addresses_in_use(&unfit).await?)?;
    let left = lab.azure().client().get(&id, CONTAINER_SERVICE).await.err().and_then(|error| error.status());
    lab.verify("the status of the cluster that was refused", Some(404), left)
}

/// API-01, API-02, API-03, API-06: in a delegated /28 AKS takes at least nine addresses, one of them the internal load
/// balancer's.
#[scenario]
async fn aks_puts_the_api_server_and_its_load_balancer_there(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    lab.verify("addresses in use before", 0, addresses_in_use(&network.api_server).await?)?;

    let cluster = integrated(lab, &network, network.api_server.id()).node_provisioning(Auto).create().await?;

    let used = addresses_in_use(&network.api_server).await?;
    lab.verify(&format!("{used} addresses are nine or more"), true, used >= 9)?;
    let azure = lab.azure().in_group(cluster.node_resource_group());
    let balancer = azure.id("Microsoft.Network/loadBalancers/kube-apiserver");
    let balancer = azure.client().get(&balancer, NETWORK).await?;
    let frontend = &balancer["properties"]["frontendIPConfigurations"][0]["properties"];
    lab.verify("the frontend's subnet", Some(network.api_server.id()), frontend["subnet"]["id"].as_str())
}

/// API-05, API-06: several clusters of one network may share the subnet as long as it has nine addresses for each: a /27
/// takes a second one, a /28, with eleven in all, does not.
#[scenario]
#[case::in_a_larger_one("172.19.3.0/27", true)]
#[case::in_the_smallest_one("172.19.3.0/28", false)]
async fn clusters_share_a_subnet_that_has_room(lab: &Lab, #[case] prefix: &str, #[case] fits: bool) -> Outcome {
    let network = network(lab).await?;
    let shared = network.vnet.subnet("shared", prefix).delegated_to(DELEGATION).create().await?;
    integrated(lab, &network, shared.id()).create().await?;
    let first = addresses_in_use(&shared).await?;
    lab.verify(&format!("{first} addresses are nine or more"), true, first >= 9)?;

    let (id, body) = integrated(lab, &network, shared.id()).name("second").request();
    let second = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await;

    if fits {
        let state = second?["properties"]["provisioningState"].clone();
        lab.verify("the second cluster's state", Some("Succeeded"), state.as_str())?;
        let both = addresses_in_use(&shared).await?;
        lab.verify(&format!("{both} addresses are eighteen or more"), true, both >= 18)
    } else {
        verify_refused(lab, "the second cluster", second.err().as_ref(), "apiServerAccessProfile.subnetId")?;
        lab.verify("addresses in use afterwards", first, addresses_in_use(&shared).await?)
    }
}

/// API-04: nothing else may use the subnet: no network interface, no agent pool, and no node of node auto-provisioning,
/// whose claim says so while the same pool serves from another subnet.
#[scenario]
async fn nothing_else_lives_in_the_subnet(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    let cluster = integrated(lab, &network, network.api_server.id()).node_provisioning(Auto).create().await?;
    let used = addresses_in_use(&network.api_server).await?;

    let interface = lab.azure().id("Microsoft.Network/networkInterfaces/someone");
    let configuration = json!({ "name": "ipconfig", "properties": {
        "primary": true, "privateIPAllocationMethod": "Dynamic", "subnet": { "id": network.api_server.id() },
    }});
    let body = json!({ "location": lab.azure().location(), "properties": { "ipConfigurations": [configuration] } });
    let refused = lab.azure().client().put(&interface, NETWORK, &body).await.err();
    verify_refused(lab, "an interface", refused.as_ref(), network.api_server.name())?;

    let pool = json!({ "properties": {
        "count": 1, "mode": "User", "vmSize": D2, "vnetSubnetID": network.api_server.id(),
    }});
    let pool_id = format!("{}/agentPools/user1", cluster.id());
    let refused = lab.azure().client().put(&pool_id, CONTAINER_SERVICE, &pool).await.err();
    lab.verify("a pool: the code", Some("SubnetIsDelegated"), refused.as_ref().and_then(ArmError::code))?;

    cluster.apply(node_class("p").vnet_subnet_id(network.api_server.id())).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    let failed = node_claims().of_pool("p").all_with_reason("Launched", "CreateInstanceFailed", "apiServerSubnet");
    cluster.expect(failed).within(minutes(2)).await?;
    cluster.expect(vms().none().and(nics().none())).now()?;
    lab.verify("addresses in use", used, addresses_in_use(&network.api_server).await?)?;

    cluster.apply(node_class("p").vnet_subnet_id(network.nodes.id())).await?;
    // The claim that cannot be launched is given up first.
    cluster.expect(pods("web").all_running()).within(time_for_launches(lab) + minutes(7)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&network.nodes)).now()
}

/// API-08: the cluster's identity needs its right on the API server's subnet before the cluster is made; with it the same
/// request is taken.
#[scenario]
async fn the_identity_needs_a_right_on_the_subnet(lab: &Lab) -> Outcome {
    let mut network = network(lab).await?;
    network.identity = lab.azure().identity("without-rights").create().await?;
    lab.azure().role("Network Contributor").on(&network.nodes).to(&network.identity).assign().await?;
    let (id, body) = integrated(lab, &network, network.api_server.id()).request();

    let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();

    lab.verify("the status", Some(403), refused.as_ref().and_then(ArmError::status))?;
    let message = refused.as_ref().and_then(ArmError::message).unwrap_or_default();
    let names = message.contains(network.api_server.id()) && message.contains("subnets/join/action");
    lab.verify(&format!("{message:?} names the right and the subnet"), true, names)?;
    lab.verify("addresses in use", 0, addresses_in_use(&network.api_server).await?)?;

    lab.azure().role("Network Contributor").on(&network.api_server).to(&network.identity).assign().await?;
    let made = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await?;
    lab.verify("the cluster's state", Some("Succeeded"), made["properties"]["provisioningState"].as_str())
}
