//! Which fields of node pools and node classes make nodes drift, and which do not.

use catnap::prelude::*;
use serde_json::{Value, json};
use suites::versions::{age_at_which_sizes_are_looked_for, puts_tags_in_place};

use super::{A_WHOLE_ROUND, D2, cluster_with, full_nodes, replaced, steady};

const F2: &str = "Standard_F2s_v2";
const KEY: &str = "example.com/drift";

/// DRIFT-28+: tags of a node class drift nothing: machine, network interface and extension get them in place.
#[scenario]
async fn tags_are_put_on_what_is_there(lab: &Lab) -> Outcome {
    puts_tags_in_place(lab)?;
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let mark = cluster.mark();

    cluster.apply(node_class("p").spec("tags", json!({ "team": "web" }))).await?;

    let tagged = vms().all_with("/tags/team", "web").and(nics().all_with("/tags/team", "web"));
    cluster.expect(tagged).within(minutes(3)).await?;
    let extension = requests("Microsoft.Compute/virtualMachines/extensions/write").since(&mark);
    cluster.expect(extension.any()).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    cluster.expect(node_claims().none_with_condition("Drifted")).at_every_instant_since(&mark)?;

    // The control: any other field of the class.
    cluster.apply(node_class("p").spec("tags", json!({ "team": "web" })).max_pods(100)).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// DRIFT-29+: what a node pool says about itself and not about its nodes drifts nothing: limits, weight, budgets,
/// `consolidateAfter`, labels of its own.
#[scenario]
async fn behaviour_of_a_node_pool_is_no_drift(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let mark = cluster.mark();

    let mut pool = steady("p");
    let changes: [fn(NodePool) -> NodePool; 5] = [
        |pool| pool.limit("cpu", "100"),
        |pool| pool.weight(10),
        |pool| pool.budgets([Budget::nodes("5")]),
        |pool| pool.consolidation_policy("WhenEmpty").consolidate_after("10m"),
        |pool| pool.own_label(KEY, "1"),
    ];
    for change in changes {
        pool = change(pool);
        cluster.apply(pool.clone()).await?;
    }

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    cluster.expect(node_claims().none_with_condition("Drifted")).at_every_instant_since(&mark)?;

    // The control: a label of its nodes.
    cluster.apply(pool.label(KEY, "1")).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// A field of the template of a node pool.
#[derive(Debug, Clone, Copy)]
enum Template {
    Label,
    Annotation,
    Taint,
    StartupTaint,
}

/// DRIFT-30+: a label, an annotation, a taint or a startup taint in the template of the node pool replaces its nodes, for
/// `NodePoolDrifted`, and the new ones carry it.
#[scenario]
#[case::of_a_label(Template::Label)]
#[case::of_an_annotation(Template::Annotation)]
#[case::of_a_taint(Template::Taint)]
#[case::of_a_startup_taint(Template::StartupTaint)]
async fn a_change_in_the_template_replaces_the_nodes(lab: &Lab, #[case] field: Template) -> Outcome {
    let closed = || steady("p").budgets([Budget::nodes("0")]);
    let cluster = cluster_with(lab, closed()).await?;
    let web = deployment("web-p").cpu("1500m").on_pool("p").tolerating(KEY);
    cluster.apply(web).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().at_least_in_service(1)).within(minutes(1)).await?;
    let (before, old, mark) = (cluster.claims_of_pool("p"), cluster.nodes_of_pool("p"), cluster.mark());
    let changed = |pool: NodePool| match field {
        Template::Label => pool.label(KEY, "1"),
        Template::Annotation => pool.annotation(KEY, "1"),
        Template::Taint => pool.taint(KEY, "NoSchedule"),
        Template::StartupTaint => pool.startup_taint(KEY, "NoSchedule"),
    };

    cluster.apply(changed(closed())).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodePoolDrifted")).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(1)).await?;
    cluster.apply(changed(steady("p"))).await?;
    if let Template::StartupTaint = field {
        // The provisioner puts the taint on a node that registers without it.
        let claims = node_claims().of_pool("p");
        let registered = claims.clone().count(2).and(claims.clone().all_with_condition("Registered", "True"));
        cluster.expect(registered.and(nodes().of_pool("p").any_tainted(KEY))).within(minutes(3)).await?;
        cluster.expect(claims.all_with_condition("Initialized", "True").not()).now()?;
        let new = cluster.nodes_of_pool("p").into_iter().find(|name| !old.contains(name)).unwrap_or_default();
        without_taint(&cluster, &new).await?;
    }
    replaced(lab, &cluster, "p", &before, &mark).await?;
    let all = nodes().of_pool("p");
    match field {
        Template::Label => cluster.expect(all.all_labelled(KEY, "1")).now(),
        Template::Annotation => cluster.expect(all.all_annotated(KEY, "1")).now(),
        Template::Taint => cluster.expect(all.all_tainted(KEY)).now(),
        Template::StartupTaint => cluster.expect(all.none_tainted(KEY)).now(),
    }
}

/// Takes the taint away, as the agent would that it waits for.
async fn without_taint(cluster: &Cluster, node: &str) -> Outcome {
    let mut taints = cluster.get(Kind::Node, node).await?["spec"]["taints"].take();
    if let Some(taints) = taints.as_array_mut() {
        taints.retain(|taint| taint["key"] != KEY);
    }
    Ok(cluster.patch(Kind::Node, node, &json!({ "spec": { "taints": taints } })).await?)
}

/// DRIFT-31+: narrower requirements replace the nodes that no longer meet them, for `RequirementsDrifted`, and those
/// only.
#[scenario]
async fn requirements_drift_only_where_they_are_violated(lab: &Lab) -> Outcome {
    let family = |families: &[&str], sizes: &[&str]| {
        steady("p").requirement("karpenter.azure.com/sku-family", "In", families).sizes(sizes)
    };
    let cluster = cluster_with(lab, family(&["D"], &[D2])).await?;
    let of_d = full_nodes(&cluster, "p", 1).await?;
    cluster.apply(family(&["D", "F"], &[D2, F2])).await?;
    cluster.apply(deployment("web-f").cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("web-f").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").of_size(F2).count(1)).now()?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(2)).within(minutes(1)).await?;
    let of_f: Vec<_> = cluster.claims_of_pool("p").into_iter().filter(|uid| !of_d.contains(uid)).collect();
    let mark = cluster.mark();

    cluster.apply(family(&["F"], &[D2, F2])).await?;

    cluster.expect(node_claims().of_pool("p").none_of(&of_d)).within(minutes(10)).await?;
    cluster.expect(pods("web-p").all_running().and(pods("web-f").all_running())).within(minutes(2)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[F2])).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&of_f).not()).now()?;
    cluster.expect(drifted_otherwise("RequirementsDrifted")).at_every_instant_since(&mark)?;
    cluster.expect(node_claims().of_pool("p").at_most_disrupted(1)).at_every_instant_since(&mark)
}

/// No node claim is Drifted for another reason than this.
fn drifted_otherwise(reason: &'static str) -> Expectation {
    node_claims().none_is(&format!("Drifted but for {reason}"), move |_, claim| {
        let mut conditions = claim["status"]["conditions"].as_array().into_iter().flatten();
        let drift = conditions.find(|condition| condition["type"] == "Drifted" && condition["status"] == "True")?;
        (drift["reason"] != reason).then(|| drift["reason"].to_string())
    })
}

/// DRIFT-35+: a size that the subscription may no longer have is noticed with the next list of sizes, here by a restart,
/// at nodes older than an hour: they drift for `InstanceTypeNotFound` and are replaced by the next cheapest size. Before,
/// they stay.
#[scenario]
async fn a_size_that_is_withdrawn_is_replaced(lab: &Lab) -> Outcome {
    lab.wait_of(hours(2))?;
    let pool = || steady("p").requirement("karpenter.azure.com/sku-family", "In", &["D", "F"]).sizes(&[D2, F2]);
    let cluster = cluster_with(lab, pool().budgets([Budget::nodes("0")])).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[F2])).now()?;
    let mark = cluster.mark();

    lab.require::<Region>()?.withdraw_size(F2);
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    let waits = age_at_which_sizes_are_looked_for(lab).saturating_sub(minutes(10));
    cluster.expect(node_claims().of_pool("p").none_with_condition("Drifted")).throughout(waits).await?;
    cluster.expect(node_claims().of_pool("p").all_drifted("InstanceTypeNotFound")).within(minutes(30)).await?;
    lab.known_fault(
        "drift-of-a-missing-size-is-forgotten",
        &["1.6.3"],
        breaks("node claims of p: none of the 1 from before"),
        async {
            cluster.apply(pool()).await?;
            replaced(lab, &cluster, "p", &before, &mark).await?;
            cluster.expect(nodes().of_pool("p").all_of_size(&[D2])).now()
        },
    )
    .await
}

/// What a field of a node class does to the machines, and where that shows.
type Shows = fn() -> Expectation;

fn disk_of_200_gb() -> Expectation {
    every("Microsoft.Compute/virtualMachines", |vm| vm["properties"]["storageProfile"]["osDisk"]["diskSizeGB"] == 200)
}

fn azure_linux() -> Expectation {
    vms().all_holding("/properties/storageProfile/imageReference/communityGalleryImageId", "AKSAzureLinux")
}

fn fifty_pods() -> Expectation {
    Expectation::new("nodes of p: capacity for 50 pods", |state| {
        let nodes = state.objects(Kind::Node).filter(|node| node["metadata"]["labels"]["karpenter.sh/nodepool"] == "p");
        let pods: Vec<_> = nodes.map(|node| node["status"]["capacity"]["pods"].clone()).collect();
        if pods == [json!("50")] { Ok(()) } else { Err(format!("they have capacity for {pods:?}")) }
    })
}

/// The customData in which a kubelet's settings travel is not shown by Azure again.
fn another_machine() -> Expectation {
    vms().count(1)
}

/// All machines that the provisioner made, of which there is at least one, are like that.
fn every(resource_type: &'static str, like_that: fn(&Value) -> bool) -> Expectation {
    Expectation::new(format!("{resource_type}: each has the new value"), move |state| {
        let all: Vec<_> = state.resources(resource_type).filter_map(|one| one.body.as_deref()).collect();
        let made: Vec<_> = all.iter().filter(|one| one["tags"]["karpenter.sh_nodepool"] == "p").collect();
        match (made.is_empty(), made.iter().all(|one| like_that(one))) {
            (false, true) => Ok(()),
            (empty, _) => Err(if empty { "there is none".to_owned() } else { format!("{made:?}") }),
        }
    })
}

/// DRIFT-32+: every field of a node class but its tags replaces the nodes, for `NodeClassDrift`, and the new ones have the
/// new value.
#[scenario]
#[case::of_the_os_disk("osDiskSizeGB", json!(200), disk_of_200_gb)]
#[case::of_the_image_family("imageFamily", json!("AzureLinux"), azure_linux)]
#[case::of_the_number_of_pods("maxPods", json!(50), fifty_pods)]
#[case::of_the_kubelet("kubelet", json!({ "podPidsLimit": 100 }), another_machine)]
async fn a_change_of_the_node_class_replaces_the_nodes(
    lab: &Lab,
    #[case] field: &str,
    #[case] value: Value,
    #[case] shows: Shows,
) -> Outcome {
    let cluster = cluster_with(lab, steady("p").budgets([Budget::nodes("0")])).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let mark = cluster.mark();

    cluster.apply(node_class("p").spec(field, value)).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    cluster.apply(steady("p")).await?;
    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(shows()).now()
}
