//! Over time: what node auto-provisioning does when minutes, hours and days go by. Timeouts, expiry, schedules, caches
//! and garbage collection, each with the time that the provisioner's documents or its code give.
//!
//! Where time can be moved (target `embedded`) these waits cost seconds. Elsewhere a scenario is skipped when its wait is
//! longer than the target's patience, and says so.

use std::time::Duration;

use catnap::history::{Change, Event, History};
use catnap::prelude::*;
use jiff::civil::Weekday;
use jiff::{Timestamp, tz::TimeZone};
use serde_json::json;
use suites::cluster_with;
use suites::versions::gives_up_launches;

const D2: &str = "Standard_D2s_v5";
const D2DS: &str = "Standard_D2ds_v5";
const D_FAMILY: &str = "standardDSv5Family";

const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";
const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// A deployment `web` of one pod, running.
async fn web(cluster: &Cluster) -> Outcome {
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await
}

/// A node that does not register within 15 minutes is given up: its machine goes, another one is tried, and the machines
/// do not pile up. When machines boot again, the pod runs.
#[scenario]
async fn a_machine_that_never_becomes_a_node_is_replaced(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(47))?;
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    lab.require::<Machines>()?.never();
    let mark = cluster.mark();
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(2)).await?;
    let first = cluster.claims_of_pool("p");

    // Until then it is waited for.
    cluster.expect(node_claims().of_pool("p").kept(&first)).throughout(minutes(14)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&first)).within(minutes(3)).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(3)).await?;
    let second = cluster.claims_of_pool("p");
    cluster.expect(node_claims().of_pool("p").none_of(&second)).within(minutes(20)).await?;
    // One machine at a time, one more while the old one is on its way out.
    cluster.expect(vms().of_pool("p").at_most(2)).at_every_instant_since(&mark)?;
    cluster.expect(requests(VM_WRITE).since(&mark).at_most(4)).now()?;
    cluster.expect(nodes().of_pool("p").none()).at_every_instant_since(&mark)?;

    lab.require::<Machines>()?.after(seconds(1));
    cluster.expect(pods("web").all_running()).within(minutes(20)).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(2)).await
}

/// A launch that Azure does not accept is given up after five minutes, and the pod gets another node claim; nothing of
/// either is left in Azure, and once Azure accepts, the pod runs.
#[scenario]
async fn a_launch_that_never_succeeds_is_given_up_after_five_minutes(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(12))?;
    gives_up_launches(lab)?;
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await?;
    let subnet = vnet.subnet("nodes", "10.0.1.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = builder.service_cidr("10.2.0.0/16").create().await?;
    // Without the security group that AKS made, no network interface can be.
    let azure = lab.azure().in_group(cluster.node_resource_group());
    for group in azure.network_security_groups().await? {
        azure.delete(group["id"].as_str().unwrap_or_default(), "2022-01-01").await?;
    }
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(2)).await?;
    let first = cluster.claims_of_pool("p");

    cluster.expect(node_claims().of_pool("p").kept(&first)).throughout(minutes(4)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&first)).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(2)).await?;
    cluster.expect(pods("web").pending(1)).now()?;
    cluster.expect(vms().none().and(nics().none())).now()
}

/// CONS-12: `expireAfter` of three days with a `terminationGracePeriod` of one hour: the node is there until then,
/// is drained then, and what will not leave is removed when the grace is over.
#[scenario]
async fn an_expired_node_is_gone_when_its_grace_is_over(lab: &Lab) -> Outcome {
    lab.wait_of(days(3) + hours(2))?;
    let pool = node_pool("p").sizes(&[D2]).expire_after("72h").termination_grace_period("1h");
    let cluster = cluster_with(lab, pool).await?;
    // This pod refuses to be disrupted: only force makes the node go.
    cluster.apply(deployment("web").cpu("1").on_pool("p").pod_annotation(DO_NOT_DISRUPT, "true")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let (claim, pod) = (cluster.claims_of_pool("p"), cluster.pods_of("web"));

    cluster.expect(node_claims().of_pool("p").kept(&claim)).throughout(hours(71)).await?;
    // It expires at 72 hours and has until 73.
    cluster.expect(node_claims().of_pool("p").kept(&claim).not()).within(hours(2)).await?;
    cluster.expect(pods("web").kept(&pod)).throughout(minutes(50)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&claim)).within(minutes(30)).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(pods("web").kept(&pod).not()).now()?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(5)).await
}

/// CONS-08, CONS-09: `consolidateAfter` of half an hour counts from the last pod that came or went, not from the node's
/// first idle moment.
#[scenario]
async fn consolidate_after_counts_from_the_last_pod(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(62))?;
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").consolidate_after("30m");
    let cluster = cluster_with(lab, pool).await?;
    let mark = cluster.mark();
    web(&cluster).await?;
    let claim = cluster.claims_of_pool("p");
    cluster.scale("web", 0).await?;
    cluster.expect(pods("web").running(0)).within(minutes(1)).await?;

    cluster.expect(node_claims().of_pool("p").kept(&claim)).throughout(minutes(20)).await?;
    let moment = lab.clock().now();
    cluster.scale("web", 1).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    // The provisioner hears of the pod later than the lab does, and not at all if it is gone by then.
    cluster.expect(node_claims().of_pool("p").all_with_pod_event_since(moment)).within(minutes(1)).await?;
    cluster.scale("web", 0).await?;
    cluster.expect(pods("web").running(0)).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&claim)).throughout(minutes(28)).await?;

    cluster.expect(node_claims().of_pool("p").none()).within(minutes(8)).await?;
    cluster.expect(node_claims().none_consolidatable_before(minutes(30)).even_if_none()).at_every_instant_since(&mark)
}

/// CONS-20: a budget of zero with a schedule closes the pool in working hours: nodes that are empty by noon stay until
/// the window ends at 17:00 UTC, and at the weekend they go at once. Seen over a whole week, which begins on a Monday.
#[scenario(begins = "2026-03-02T07:00:00Z")]
async fn a_budget_with_a_schedule_is_closed_in_working_hours(lab: &Lab) -> Outcome {
    lab.wait_of(days(7))?;
    let closed = Budget::nodes("0").on_schedule("0 9 * * mon-fri", Some("8h"));
    let pool = node_pool("p").sizes(&[D2]).consolidate_after("0s").budgets([Budget::nodes("100%"), closed]);
    let cluster = cluster_with(lab, pool).await?;
    cluster.apply(deployment("web").replicas(0).cpu("1").on_pool("p")).await?;

    let monday: Timestamp = "2026-03-02T00:00:00Z".parse()?;
    for day in 0..7 {
        let at = |hour: i64| monday + jiff::SignedDuration::from_hours(24 * day + hour);
        let works = is_working_day(at(12));
        lab.clock().advance_to(at(10)).await;
        cluster.scale("web", 1).await?;
        cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
        let claim = cluster.claims_of_pool("p");
        cluster.scale("web", 0).await?;
        if works {
            let rest = Duration::try_from(at(17).duration_since(lab.clock().now()))? - minutes(1);
            cluster.expect(node_claims().of_pool("p").kept(&claim)).throughout(rest).await?;
        }
        // Where nothing has changed in the cluster, the provisioner looks at it again every five minutes only.
        cluster.expect(node_claims().of_pool("p").none()).within(minutes(12)).await?;
    }

    let closed: Vec<_> = ends_of_claims(lab.history()).into_iter().filter(|end| is_closed(*end)).collect();
    lab.verify("node claims that went in working hours", Vec::<Timestamp>::new(), closed)?;
    lab.verify("node claims that went in the week", 7, ends_of_claims(lab.history()).len())
}

fn is_working_day(moment: Timestamp) -> bool {
    !matches!(moment.to_zoned(TimeZone::UTC).weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_closed(moment: Timestamp) -> bool {
    is_working_day(moment) && (9..17).contains(&moment.to_zoned(TimeZone::UTC).hour())
}

/// When each node claim was told to go.
fn ends_of_claims(history: &History) -> Vec<Timestamp> {
    let mut ends = std::collections::BTreeMap::new();
    for record in history.since(0) {
        if let Event::Kube { kind, change: Change::Applied, object } = &record.event
            && kind == "NodeClaim"
            && let Some(end) = object["metadata"]["deletionTimestamp"].as_str().and_then(|end| end.parse().ok())
        {
            ends.entry(object["metadata"]["uid"].to_string()).or_insert(end);
        }
    }
    ends.into_values().collect()
}

/// A size that Azure refused is left alone for a while, in which the next cheapest serves, and is tried again after it:
/// three minutes where the quota of its family is used up, an hour where there is none at all.
#[scenario]
#[case::where_the_quota_is_used_up(1, minutes(3))]
#[case::where_there_is_no_quota(0, hours(1))]
async fn a_refused_size_comes_back(lab: &Lab, #[case] quota: u32, #[case] remembered_for: Duration) -> Outcome {
    lab.wait_of(remembered_for + minutes(1))?;
    // Two families of one kind. Never consolidated: the dearer nodes shall stay where they are.
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D2DS]).consolidate_after("Never")).await?;
    let one_more = async |name: &str, of_the_cheaper_size: usize| {
        cluster.apply(deployment(name).cpu("1500m").on_pool("p")).await?;
        cluster.expect(pods(name).all_running()).within(minutes(5)).await?;
        cluster.expect(nodes().of_pool("p").of_size(D2).count(of_the_cheaper_size)).now()
    };
    lab.require::<Region>()?.set_family_quota(D_FAMILY, Some(quota));
    one_more("first", 0).await?;
    cluster.expect(all_requests().answered(409).at_least(1)).now()?;
    lab.require::<Region>()?.set_family_quota(D_FAMILY, None);
    let mark = cluster.mark();

    lab.clock().advance(remembered_for - minutes(1)).await;
    one_more("second", 0).await?;
    cluster.expect(all_requests().since(&mark).answered(409).none()).now()?;

    lab.clock().advance(minutes(2)).await;
    one_more("third", 1).await
}

/// A machine that no node claim asked for is collected when it is older than five minutes, and a network interface
/// without a machine at the next round; what belongs to a node stays.
#[scenario]
async fn orphaned_machines_and_interfaces_are_collected(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(18))?;
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await?;
    let subnet = vnet.subnet("nodes", "10.0.1.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = builder.service_cidr("10.2.0.0/16").create().await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    web(&cluster).await?;
    let (claim, mark) = (cluster.claims_of_pool("p"), cluster.mark());

    // As if the provisioner had been stopped between its requests and the node claims were gone since.
    let azure = lab.azure().in_group(cluster.node_resource_group());
    let tags = json!({ "karpenter.azure.com_cluster": "my-aks-cluster", "karpenter.sh_nodepool": "p" });
    for name in ["aks-stray", "aks-left"] {
        let configuration =
            json!({ "primary": true, "privateIPAllocationMethod": "Dynamic", "subnet": { "id": subnet.id() } });
        let properties = json!({ "ipConfigurations": [{ "name": name, "properties": configuration }] });
        let body = json!({ "location": azure.location(), "tags": tags, "properties": properties });
        let id = azure.id(&format!("Microsoft.Network/networkInterfaces/{name}"));
        azure.client().put(&id, "2024-05-01", &body).await?;
    }
    let machine = azure.id("Microsoft.Compute/virtualMachines/aks-stray");
    let interface = azure.id("Microsoft.Network/networkInterfaces/aks-stray");
    azure.client().put(&machine, "2024-07-01", &stray_machine(azure.location(), &tags, &interface)).await?;
    cluster.expect(vms().count(2).and(nics().count(3))).within(minutes(1)).await?;

    cluster.expect(requests(VM_DELETE).since(&mark).about(&machine).none()).throughout(minutes(4)).await?;
    cluster.expect(vms().count(1).and(nics().count(1)).and(disks().count(1))).within(minutes(13)).await?;
    cluster.expect(requests(VM_DELETE).since(&mark).about(&machine).any()).now()?;
    cluster.expect(node_claims().of_pool("p").kept(&claim)).at_every_instant_since(&mark)
}

fn stray_machine(location: &str, tags: &serde_json::Value, interface: &str) -> serde_json::Value {
    let image = "/CommunityGalleries/AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2/images/2204gen2containerd/versions/\
                 202510.12.0";
    json!({
        "location": location,
        "tags": tags,
        "properties": {
            "hardwareProfile": { "vmSize": D2 },
            "networkProfile": { "networkInterfaces": [
                { "id": interface, "properties": { "primary": true, "deleteOption": "Delete" } },
            ] },
            "osProfile": {
                "adminUsername": "azureuser",
                "computerName": "aks-stray",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": true,
                    "ssh": { "publicKeys": [
                        { "keyData": "ssh-rsa AAAA lab", "path": "/home/azureuser/.ssh/authorized_keys" },
                    ] },
                },
            },
            "storageProfile": {
                "imageReference": { "communityGalleryImageId": image },
                "osDisk": { "createOption": "FromImage", "deleteOption": "Delete", "name": "aks-stray" },
            },
        },
    })
}

/// The provisioner keeps the list of node images for three days: a new image replaces nodes then, and not before.
#[scenario]
async fn a_new_node_image_arrives_after_three_days(lab: &Lab) -> Outcome {
    lab.wait_of(hours(78))?;
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    web(&cluster).await?;
    let claim = cluster.claims_of_pool("p");
    lab.require::<Region>()?.publish_node_images("202701.05.0");

    cluster.expect(node_claims().of_pool("p").kept(&claim)).throughout(hours(71)).await?;

    cluster.expect(node_claims().of_pool("p").none_of(&claim)).within(hours(6)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(nodes().of_pool("p").count(1).and(vms().of_pool("p").count(1))).within(minutes(5)).await?;
    let image = "/storageProfile/imageReference/communityGalleryImageId";
    cluster.expect(vms().of_pool("p").all_holding(&format!("/properties{image}"), "202701.05.0")).now()
}

/// Tokens of the cluster's identity are good for a day and renewed in time: in two days no request is refused for its
/// token, and the provisioner still makes nodes.
#[scenario]
async fn tokens_are_renewed_over_two_days(lab: &Lab) -> Outcome {
    lab.wait_of(hours(48))?;
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    web(&cluster).await?;
    let mark = cluster.mark();

    lab.clock().advance(hours(48)).await;

    cluster.expect(token_requests().since(&mark).at_least(2)).now()?;
    cluster.expect(all_requests().since(&mark).answered(401).none()).now()?;
    cluster.scale("web", 2).await?;
    cluster.expect(nodes().of_pool("p").count(2)).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().all_ready_as_ever()).at_every_instant_since(&mark)
}
