//! The steps in their order.

use catnap::prelude::*;
use serde_json::{Value, json};

use super::{API, agent_pool, closed, cluster_with, disabled, nobody_provisions, nothing_left, pool, turned_off, web};

/// The selector of step 4 shows exactly the nodes whose machines the provisioner made.
fn the_selector_shows_what_the_provisioner_made() -> Expectation {
    nodes().each("labelled karpenter.sh/nodepool where the provisioner made them, and nowhere else", |_, node| {
        let labelled = node["metadata"]["labels"]["karpenter.sh/nodepool"].is_string();
        let machine = node["spec"]["providerID"].as_str().unwrap_or_default().to_ascii_lowercase();
        let made = machine.contains("/virtualmachines/aks-p-") && !machine.contains("virtualmachinescalesets");
        if labelled == made { Ok(()) } else { Err(format!("is {machine}, labelled: {labelled}")) }
    })
}

/// DIS-03, DIS-06, DIS-09, DIS-11, DIS-12, DIS-14, DIS-30+: the whole flow. Limits and taint move nothing as long as the
/// fixed nodes have no room; when the agent pool grows, and when one is added, the nodes are emptied one after the other
/// without further action, although consolidation is off; when the selector shows none, nothing is left in Azure either,
/// and the mode can be Manual: nobody makes nodes any more.
#[scenario]
async fn the_flow_of_the_documents_ends_in_mode_manual(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    let before = web(&cluster, 2).await?;
    cluster.expect(the_selector_shows_what_the_provisioner_made()).now()?;
    let mark = cluster.mark();

    cluster.apply(closed()).await?;
    cluster.apply(disabled()).await?;
    cluster.expect(node_claims().of_pool("p").all_drifted("NodePoolDrifted")).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(2)).await?;

    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    agent_pool(lab, &cluster, "extra", 1).await?;
    cluster.expect(nothing_left()).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running().and(pods("fixed").all_running())).within(minutes(2)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(2).and(nodes().of_agent_pool("extra").count(1))).now()?;
    cluster.expect(the_selector_shows_what_the_provisioner_made()).at_every_instant_since(&mark)?;
    cluster.expect(requests(super::VM_WRITE).since(&mark).none()).now()?;

    turned_off(lab, &cluster).await?;
    nobody_provisions(&cluster).await
}

/// The template of the documents, `nap.json`, with the lab's cluster in place of theirs.
fn nap_json(name: &str, location: &str) -> Value {
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "metadata": {},
        "parameters": {},
        "resources": [{
            "type": "Microsoft.ContainerService/managedClusters",
            "apiVersion": "2025-05-01",
            "sku": { "name": "Base", "tier": "Standard" },
            "name": name,
            "location": location,
            "identity": { "type": "SystemAssigned" },
            "properties": {
                "networkProfile": {
                    "networkPlugin": "azure",
                    "networkPluginMode": "overlay",
                    "networkPolicy": "cilium",
                    "networkDataplane": "cilium",
                    "loadBalancerSku": "Standard",
                },
                "dnsPrefix": format!("{name}-dns"),
                "agentPoolProfiles": [{
                    "name": "nodepool1",
                    "count": 1,
                    "vmSize": "Standard_D2s_v5",
                    "osType": "Linux",
                    "mode": "System",
                }],
                "nodeProvisioningProfile": { "mode": "Manual" },
            },
        }],
    })
}

/// DIS-15: the documents' ARM template with the mode Manual does the same as the command, and changes nothing else.
#[scenario]
async fn the_template_of_the_documents_turns_it_off(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, closed()).await?;
    let azure = lab.azure().client();
    let before = azure.get(cluster.id(), API).await?;

    let name = before["name"].as_str().unwrap_or_default();
    let template = nap_json(name, lab.azure().location());
    let body = json!({ "properties": { "mode": "Incremental", "template": template, "parameters": {} } });
    let deployment = lab.azure().id("Microsoft.Resources/deployments/nap");
    let deployed = azure.put(&deployment, "2025-04-01", &body).await?;

    let state = deployed["properties"]["provisioningState"].as_str();
    lab.verify("the deployment's state", Some("Succeeded"), state)?;
    let after = azure.get(cluster.id(), API).await?;
    let properties = |shown: &Value| {
        let mut properties = shown["properties"].clone();
        properties["nodeProvisioningProfile"] = Value::Null;
        // The template writes `Standard`, the cluster was made with `standard`; Azure shows what was said last.
        properties["networkProfile"]["loadBalancerSku"] = Value::Null;
        // What is written anew has a new tag, whether it says anything new or not.
        properties["eTag"] = Value::Null;
        properties["agentPoolProfiles"][0]["eTag"] = Value::Null;
        properties
    };
    for (field, value) in properties(&before).as_object().into_iter().flatten() {
        lab.verify(&format!("properties.{field}"), value, &properties(&after)[field])?;
    }
    let mode = after["properties"]["nodeProvisioningProfile"]["mode"].as_str();
    lab.verify("the mode", Some("Manual"), mode)?;
    nobody_provisions(&cluster).await
}

/// DIS-10, DIS-13: with room for half of the pods half of the nodes go. The others stay as they are, their pods run, and
/// an event at the node says that its pods would not find a place.
#[scenario]
async fn nodes_without_room_elsewhere_remain_and_say_why(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 2).await?;
    agent_pool(lab, &cluster, "nodepool1", 2).await?;

    cluster.apply(disabled()).await?;

    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    let rest = cluster.claims_of_pool("p");
    let why = events("DisruptionBlocked").about(Kind::Node).saying("would schedule");
    cluster.expect(why.seen()).within(minutes(3)).await?;
    let steady = node_claims().of_pool("p").kept(&rest).and(pods("web").running(2)).and(vms().count(1));
    cluster.expect(steady).throughout(minutes(30)).await
}

/// What bounds how the nodes are emptied.
#[derive(Debug, Clone, Copy)]
enum Bound {
    PodDisruptionBudget,
    NodeBudget,
}

/// DIS-07, DIS-08: while the nodes are emptied a pod disruption budget holds at every instant, and so does the budget of
/// the node pool; both let the flow come to its end.
#[scenario]
#[case::by_a_pod_disruption_budget(Bound::PodDisruptionBudget)]
#[case::by_the_budget_of_the_node_pool(Bound::NodeBudget)]
async fn the_migration_is_bounded(lab: &Lab, #[case] bound: Bound) -> Outcome {
    let with_budget = |pool: NodePool| match bound {
        Bound::NodeBudget => pool.budgets([Budget::nodes("1")]),
        Bound::PodDisruptionBudget => pool,
    };
    let cluster = cluster_with(lab, with_budget(pool())).await?;
    web(&cluster, 3).await?;
    if let Bound::PodDisruptionBudget = bound {
        cluster.apply(disruption_budget("web", "web").min_available(2)).await?;
    }
    agent_pool(lab, &cluster, "extra", 3).await?;
    cluster.expect(nodes().of_agent_pool("extra").count(3)).within(minutes(2)).await?;
    cluster.expect(nodes().of_agent_pool("extra").all_ready()).within(minutes(2)).await?;
    let mark = cluster.mark();

    cluster.apply(with_budget(closed())).await?;
    cluster.apply(with_budget(disabled())).await?;

    cluster.expect(nothing_left()).within(minutes(15)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    match bound {
        Bound::PodDisruptionBudget => cluster.expect(pods("web").at_least_running(2)).at_every_instant_since(&mark),
        Bound::NodeBudget => {
            cluster.expect(node_claims().at_most_disrupted(1).even_if_none()).at_every_instant_since(&mark)
        }
    }
}

/// DIS-34+: fixed nodes come one by one, ten minutes apart. With each, one node of node auto-provisioning goes; none
/// comes back, and every pod has a place at the end.
#[scenario]
async fn room_that_comes_in_pieces_is_used_in_pieces(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(40))?;
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 3).await?;
    let mark = cluster.mark();
    cluster.apply(disabled()).await?;

    for grown in 1..=3 {
        agent_pool(lab, &cluster, "nodepool1", 1 + grown).await?;
        let left = 3 - grown as usize;
        cluster.expect(node_claims().count(left).and(vms().count(left))).within(minutes(10)).await?;
        cluster.expect(node_claims().count(left)).throughout(minutes(9)).await?;
        cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    }

    cluster.expect(nothing_left()).within(minutes(1)).await?;
    cluster.expect(pods("web").at_least_running(2)).at_every_instant_since(&mark)?;
    cluster.expect(requests(super::VM_WRITE).since(&mark).none()).now()
}
