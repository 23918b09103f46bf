//! Scoped rights: what node auto-provisioning may do in Azure with the roles that the documents give it, what becomes
//! of it where a right is missing, comes late or is taken away, and which rights it really uses.
//!
//! Microsoft's "Create a node auto-provisioning cluster in a custom virtual network" knows two ways to let the cluster's
//! identity use a network of one's own. Approach A makes it a Network Contributor on the whole virtual network. Approach
//! B gives it a custom role on each subnet, which permits to read and to join it; where no custom role can be made, that
//! of Network Contributor under a condition. In the node resource group AKS gives the identity its rights itself.
//!
//! A missing right to read the subnet shows at the node class (`SubnetsReady`, `SubnetUnknownError`), any other one at
//! the node claim (`Launched`, `CreateInstanceFailed`), both with Azure's own words; nothing is made, or nothing of what
//! was made stays, and when the right comes, provisioning goes on by itself.

mod azure;
mod change;
mod directory;
mod least_privilege;
mod missing;
mod start;

use catnap::expect::RequestSelection;
use catnap::history::Event;
use catnap::preflight::{IN_THE_NODE_RESOURCE_GROUP, ON_THE_SUBNET};
use catnap::prelude::*;
use serde_json::json;
use suites::versions::{made_where_subnets_are_looked_at, tells_of_unreadable_subnets};

const SUBNET_READ: &str = "Microsoft.Network/virtualNetworks/subnets/read";
const SUBNET_JOIN: &str = "Microsoft.Network/virtualNetworks/subnets/join/action";
const VNET_READ: &str = "Microsoft.Network/virtualNetworks/read";
const NIC_WRITE: &str = "Microsoft.Network/networkInterfaces/write";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";

/// The custom role of approach B, named and described as the documents do.
const SUBNET_ACCESS: &str = "Karpenter Subnet Access";
const SUBNET_ACCESS_DESCRIPTION: &str = "Allows reading subnet information and joining VMs to subnets";

/// The condition of the documents' alternative to a custom role, verbatim.
const CONDITION: &str = "((!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/write'})) AND \
                         (!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/delete'})))";

const SERVICE_CIDR: &str = "10.2.0.0/16";

/// The network of the documents, and an identity that has no right in it.
struct Network {
    vnet: Vnet,
    cluster_subnet: Subnet,
    custom_subnet: Subnet,
    identity: Identity,
}

async fn network(lab: &Lab) -> Result<Network, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    Ok(Network { vnet, cluster_subnet, custom_subnet, identity })
}

impl Network {
    /// A cluster under the identity, which gets nothing on the network that the scenario does not give it. Its
    /// provisioner is told the network's GUID, so that it starts without the right to read the network (RBAC-34+).
    async fn cluster(&self, lab: &Lab) -> Result<Cluster, Failure> {
        self.tell_guid(lab).await?;
        Ok(self.builder(lab).create().await?)
    }

    fn builder<'a>(&self, lab: &'a Lab) -> ManagedClusterBuilder<'a> {
        let builder = lab.managed_cluster().node_provisioning(Auto).identity(&self.identity);
        builder.subnet(&self.cluster_subnet).skip_subnet_role_assignment().service_cidr(SERVICE_CIDR)
    }

    async fn tell_guid(&self, lab: &Lab) -> Outcome {
        let guid = self.vnet.get().await?["properties"]["resourceGuid"].as_str().unwrap_or_default().to_owned();
        lab.require::<ProvisionerControl>()?.env("VNET_GUID", &guid);
        Ok(())
    }
}

/// The role of approach B, out of the JSON that the documents print, with the subscription filled in.
async fn subnet_access(lab: &Lab) -> Result<RoleDefinition, Failure> {
    let definition = json!({
        "Name": SUBNET_ACCESS,
        "IsCustom": true,
        "Description": SUBNET_ACCESS_DESCRIPTION,
        "Actions": [SUBNET_READ, SUBNET_JOIN],
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": [format!("/subscriptions/{}", lab.azure().subscription_id())],
    });
    Ok(lab.azure().role_definition_from(&definition).create().await?)
}

/// The three ways of the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Approach {
    /// Network Contributor on the virtual network.
    A,
    /// The custom role on a subnet.
    B,
    /// Network Contributor under a condition on a subnet.
    BuiltIn,
}

impl Approach {
    async fn give(self, lab: &Lab, network: &Network, subnet: &Subnet) -> Result<RoleAssignment, Failure> {
        let azure = lab.azure();
        let to = &network.identity;
        Ok(match self {
            Self::A => azure.role("Network Contributor").on(&network.vnet).to(to).assign().await?,
            Self::B => azure.role(subnet_access(lab).await?.name()).on(subnet).to(to).assign().await?,
            Self::BuiltIn => azure.role("Network Contributor").on(subnet).to(to).condition(CONDITION).assign().await?,
        })
    }
}

/// A node pool of this name with a node class of the same name, and a deployment `web-<name>` that only it can serve.
async fn pool_with_workload(cluster: &Cluster, name: &str, class: NodeClass) -> Outcome {
    cluster.apply(class).await?;
    cluster.apply(node_pool(name).sizes(&["Standard_D2s_v5"]).consolidate_after("0s")).await?;
    cluster.apply(deployment(&format!("web-{name}")).cpu("1").on_pool(name)).await?;
    Ok(())
}

/// The node class of this name cannot read its subnet, and says so in Azure's words: the action, the subnet, and who
/// lacks the right.
fn cannot_read(name: &str, subnet: &Subnet, identity: &Identity) -> Expectation {
    let texts = ["403", "AuthorizationFailed", SUBNET_READ, subnet.id(), identity.principal_id().as_str()];
    node_class(name).condition("SubnetsReady").is_false("SubnetUnknownError", &texts)
}

/// Nothing is made for a pool whose node class is not ready, and nothing is asked for.
async fn nothing_is_made(cluster: &Cluster, pool: &str, since: &Mark) -> Outcome {
    cluster.expect(node_class(pool).condition("Ready").is_false("UnhealthyDependents", &[])).within(minutes(1)).await?;
    let pool_waits = node_pool(pool).condition("NodeClassReady").is_false("UnhealthyDependents", &[]);
    cluster.expect(pool_waits).within(minutes(1)).await?;
    let web = format!("web-{pool}");
    cluster.expect(pods(&web).pending(1)).within(minutes(1)).await?;
    // Longer than the time from a pending pod to its machine.
    cluster.expect(pods(&web).pending(1).and(node_claims().of_pool(pool).none())).throughout(seconds(15)).await?;
    cluster.expect(vms().of_pool(pool).none().and(nics().of_pool(pool).none())).at_every_instant_since(since)
}

/// The pool serves its workload in this subnet.
async fn serves(cluster: &Cluster, pool: &str, subnet: &Subnet) -> Outcome {
    cluster.expect(node_class(pool).ready()).within(minutes(3)).await?;
    cluster.expect(pods(&format!("web-{pool}")).all_running()).within(minutes(8)).await?;
    cluster.expect(nodes().of_pool(pool).all_in_subnet(subnet)).now()
}

/// Sets the actions of a custom role, which acts on the assignments that there are.
async fn redefine(lab: &Lab, role: &str, actions: &[&str]) -> Outcome {
    lab.azure().role_definition(role).actions(actions.iter().copied()).create().await?;
    Ok(())
}

/// What a launch, its failure and the end of a node take in the node resource group and on the subnet, besides what needs
/// no role there: what `catnap check` looks for. The role of `least_privilege.rs` is measured, this one is written down: it
/// holds the removal of an interface whose machine was refused, and the look at an extension whose installation takes a
/// moment.
fn needed() -> Vec<&'static str> {
    ON_THE_SUBNET.into_iter().chain(IN_THE_NODE_RESOURCE_GROUP).collect()
}

/// A custom role for everything.
const PROVISIONER: &str = "Node auto-provisioning";

/// Takes everything from the identity that it has, AKS's Contributor in the node resource group too, and gives it one
/// custom role with these actions there and on the network.
async fn only(lab: &Lab, network: &Network, cluster: &Cluster, actions: &[&str]) -> Outcome {
    for role in lab.azure().roles_of(&network.identity).await? {
        role.revoke().await?;
    }
    redefine(lab, PROVISIONER, actions).await?;
    let nodes = lab.azure().in_group(cluster.node_resource_group()).ensure_group().await?;
    lab.azure().role(PROVISIONER).on(&nodes).to(&network.identity).assign().await?;
    lab.azure().role(PROVISIONER).on(&network.vnet).to(&network.identity).assign().await?;
    Ok(())
}

/// Requests of an identity that were refused for want of rights.
fn requests_refused(identity: &Identity) -> RequestSelection {
    all_requests().by(identity).answered(403)
}

/// How often the provisioner was started.
fn starts(lab: &Lab) -> usize {
    let of_provisioner = |event: &Event| match event {
        Event::Process { name, message } => name.starts_with("karpenter") && message.starts_with("started"),
        _ => false,
    };
    lab.history().since(0).iter().filter(|record| of_provisioner(&record.event)).count()
}

/// RBAC-01, RBAC-02, RBAC-18: approach A. Network Contributor on the virtual network lets a cluster with a user-assigned
/// identity use every subnet of it, also one that came later, without a further assignment.
#[scenario]
async fn network_contributor_on_the_vnet_serves_every_subnet(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    Approach::A.give(lab, &network, &network.custom_subnet).await?;
    // As the documents do: without the GUID, the network is read at the start.
    let cluster = network.builder(lab).create().await?;
    let assigned = lab.azure().roles_of(&network.identity).await?.len();

    pool_with_workload(&cluster, "default", node_class("default")).await?;
    let custom = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", custom).await?;
    serves(&cluster, "default", &network.cluster_subnet).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;

    let later = network.vnet.subnet("custom-subnet2", "10.0.3.0/24").create().await?;
    pool_with_workload(&cluster, "later", node_class("later").vnet_subnet_id(later.id())).await?;
    serves(&cluster, "later", &later).await?;
    lab.verify("role assignments of the identity", assigned, lab.azure().roles_of(&network.identity).await?.len())?;
    cluster.expect(rights_of(&network.identity).suffice()).now()
}

/// RBAC-07, RBAC-09, RBAC-15: approach B. The custom role out of the documents' JSON, and Network Contributor under the
/// documents' condition, each on the one subnet, are enough for the whole life of nodes in it. Neither lets the
/// provisioner read the network; it does not try to.
#[scenario]
#[case::by_the_custom_role(Approach::B)]
#[case::by_network_contributor_under_a_condition(Approach::BuiltIn)]
async fn rights_on_the_subnet_suffice(lab: &Lab, #[case] approach: Approach) -> Outcome {
    let network = network(lab).await?;
    approach.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    cluster.expect(rights_of(&network.identity).hold(SUBNET_JOIN, network.custom_subnet.id())).now()?;
    cluster.scale("web-custom", 0).await?;
    cluster.expect(node_claims().none()).within(minutes(5)).await?;
    cluster.expect(vms().none().and(nics().none()).and(disks().none())).within(minutes(1)).await?;

    cluster.expect(rights_of(&network.identity).suffice()).now()?;
    let read = requests(SUBNET_READ).by(&network.identity);
    cluster.expect(made_where_subnets_are_looked_at(lab, read)).now()?;
    cluster.expect(requests(VNET_READ).by(&network.identity).none()).now()
}

/// RBAC-10, RBAC-11, RBAC-20+: a role on another subnet does not help: the node class says which right is missing where,
/// and an event says it too, as `catnap check` does beforehand; no machine, no network interface and no request for one.
/// When the role comes, the pods run without anybody touching anything.
#[scenario]
async fn each_subnet_needs_its_own_assignment(lab: &Lab) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.cluster_subnet).await?;
    let cluster = network.cluster(lab).await?;
    let found = lab.in_the_way(&cluster, &[&network.custom_subnet]).await?;
    let foretold = found.len() == 1 && ON_THE_SUBNET.iter().all(|action| found[0].contains(action));
    lab.verify(&format!("a look beforehand names both rights, and nothing else: {found:?}"), true, foretold)?;
    let mark = cluster.mark();

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(1)).await?;
    cluster
        .expect(events("SubnetsReady").about(Kind::AksNodeClass).saying("SubnetUnknownError").seen())
        .within(minutes(1))
        .await?;
    nothing_is_made(&cluster, "custom", &mark).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).none()).now()?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;
    // The control, meanwhile: the subnet that has the role serves.
    pool_with_workload(&cluster, "default", node_class("default")).await?;
    serves(&cluster, "default", &network.cluster_subnet).await?;

    Approach::B.give(lab, &network, &network.custom_subnet).await?;
    lab.verify("what is in the way now", Vec::new(), lab.in_the_way(&cluster, &[&network.custom_subnet]).await?)?;
    serves(&cluster, "custom", &network.custom_subnet).await
}

/// Where a role is given that does not help.
#[derive(Debug, Clone, Copy)]
enum Elsewhere {
    /// To the right identity in a group that the network is not in.
    AnotherGroup,
    /// To the right identity in the group of the machines, where the network is not.
    NodeResourceGroup,
    /// On the right subnet, to the identity of the nodes.
    KubeletIdentity,
    /// On the right subnet, to an identity that has nothing to do with the cluster.
    AnotherIdentity,
}

/// RBAC-20+, RBAC-27+: a role in a group that the subnet is not in, and one that somebody else has, are no role: the
/// refusal names the cluster's own identity. With the role in the right place the pods run.
#[scenario]
#[case::in_another_group(Elsewhere::AnotherGroup)]
#[case::in_the_node_resource_group(Elsewhere::NodeResourceGroup)]
#[case::to_the_kubelets_identity(Elsewhere::KubeletIdentity)]
#[case::to_another_identity(Elsewhere::AnotherIdentity)]
async fn a_role_elsewhere_does_not_help(lab: &Lab, #[case] elsewhere: Elsewhere) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let network = network(lab).await?;
    let cluster = network.cluster(lab).await?;
    let (azure, role, to) = (lab.azure(), subnet_access(lab).await?, &network.identity);
    let assignment = azure.role(role.name());
    match elsewhere {
        Elsewhere::AnotherGroup => assignment.on(&azure.further_group("other-rg").ensure_group().await?).to(to),
        Elsewhere::NodeResourceGroup => {
            assignment.on(&azure.in_group(cluster.node_resource_group()).ensure_group().await?).to(to)
        }
        Elsewhere::KubeletIdentity => {
            let kubelets = &cluster.resource()["properties"]["identityProfile"]["kubeletidentity"]["objectId"];
            assignment.on(&network.custom_subnet).to(kubelets.as_str().unwrap_or_default())
        }
        Elsewhere::AnotherIdentity => {
            assignment.on(&network.custom_subnet).to(&azure.identity("other-identity").create().await?)
        }
    }
    .assign()
    .await?;
    let mark = cluster.mark();

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(1)).await?;
    nothing_is_made(&cluster, "custom", &mark).await?;

    Approach::B.give(lab, &network, &network.custom_subnet).await?;
    serves(&cluster, "custom", &network.custom_subnet).await
}

/// RBAC-29+: a role that is given above the subnet holds in it, and the role needs no other place then.
#[scenario]
#[case::on_the_vnet("vnet")]
#[case::on_the_resource_group("group")]
#[case::on_the_subscription("subscription")]
async fn a_role_above_the_subnet_is_inherited(lab: &Lab, #[case] place: &str) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let network = network(lab).await?;
    let (azure, role) = (lab.azure(), subnet_access(lab).await?);
    let scope = match place {
        "vnet" => network.vnet.id().to_owned(),
        "group" => azure.ensure_group().await?.id().to_owned(),
        _ => format!("/subscriptions/{}", azure.subscription_id()),
    };
    let assignment = azure.role(role.name()).on(&scope).to(&network.identity).assign().await?;
    let cluster = network.cluster(lab).await?;

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    cluster.expect(rights_of(&network.identity).suffice()).now()?;

    // The control: it was this assignment that let it.
    assignment.revoke().await?;
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(4)).await
}

/// RBAC-29+: a group's role is its members' role: from the moment they join until they leave.
#[scenario]
async fn a_role_of_a_group_is_its_members(lab: &Lab) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let network = network(lab).await?;
    let group = lab.require::<Tenant>()?.security_group("aks-identities");
    let role = subnet_access(lab).await?;
    lab.azure().role(role.name()).on(&network.custom_subnet).to(&group).assign().await?;
    let cluster = network.cluster(lab).await?;
    let mark = cluster.mark();

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(1)).await?;
    nothing_is_made(&cluster, "custom", &mark).await?;

    group.add(&network.identity);
    serves(&cluster, "custom", &network.custom_subnet).await?;
    let claims = cluster.claims_of_pool("custom");

    group.remove(&network.identity);
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(4)).await?;
    cluster.expect(node_claims().of_pool("custom").kept(&claims)).now()
}
