//! Routes and security rules that keep machines from their API server.

use catnap::prelude::*;
use serde_json::json;

use super::{NETWORK, World, change, pods_in, world};

/// What stands in the way.
enum Obstacle {
    Route,
    Rule,
}

/// CIDR-09, NET-22: routes and security rules have to be tested. Behind a route that leads nowhere, or a rule that lets
/// nothing out, a machine never reaches the API server: it is there, no node registers, and the network says which rule it
/// is; `catnap check` says so beforehand. When the way is free the machine becomes a node.
#[scenario]
#[case::a_route_that_leads_nowhere(Obstacle::Route, "the route 0.0.0.0/0 of subnet custom-subnet")]
#[case::a_rule_that_lets_nothing_out(Obstacle::Rule, "the rule nothing-out of closed")]
async fn a_machine_that_cannot_reach_its_api_server_becomes_no_node(
    lab: &Lab,
    #[case] obstacle: Obstacle,
    #[case] told: &str,
) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    let subnet = vnet.subnet("custom-subnet", "10.1.1.0/24").create().await?;
    let location = lab.azure().location();
    let (property, id, body) = match obstacle {
        Obstacle::Route => (
            "routeTable",
            lab.azure().id("Microsoft.Network/routeTables/nowhere"),
            json!({ "location": location, "properties": { "routes": [{
                "name": "all",
                "properties": { "addressPrefix": "0.0.0.0/0", "nextHopType": "None" },
            }] } }),
        ),
        Obstacle::Rule => (
            "networkSecurityGroup",
            lab.azure().id("Microsoft.Network/networkSecurityGroups/closed"),
            json!({ "location": location, "properties": { "securityRules": [{
                "name": "nothing-out",
                "properties": {
                    "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*",
                    "sourceAddressPrefix": "*", "sourcePortRange": "*",
                    "destinationAddressPrefix": "*", "destinationPortRange": "*",
                },
            }] } }),
        ),
    };
    lab.azure().client().put(&id, NETWORK, &body).await?;
    change(lab, subnet.id(), |properties| properties[property] = json!({ "id": id })).await?;
    let found = lab.in_the_way(&cluster, &[&subnet]).await?;
    let foretold = found.iter().any(|text| text.contains("never becomes a node") && text.contains(told));
    lab.verify(&format!("a look beforehand tells it: {found:?}"), true, foretold)?;

    pods_in(&cluster, &subnet, 1).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(2)).await?;
    cluster.expect(nodes().of_pool("p").none()).throughout(minutes(12)).await?;
    cluster.expect(node_class("p").ready().and(pods("web").pending(1))).now()?;
    let machine = subnet.prefix().hosts().nth(3);
    let why = machine.and_then(|machine| lab.network(&cluster).ok()?.bootstrap(machine).err()).unwrap_or_default();
    lab.verify(&format!("what keeps it from its API server: {why}"), true, why.starts_with(told))?;

    change(lab, subnet.id(), |properties| {
        properties.as_object_mut().map(|properties| properties.remove(property));
    })
    .await?;
    lab.verify("what is in the way now", Vec::new(), lab.in_the_way(&cluster, &[&subnet]).await?)?;
    cluster.expect(pods("web").all_running()).within(minutes(20)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()
}
