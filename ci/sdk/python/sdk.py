"""Does one step of ci/sdk/run with the Azure SDK for Python: sdk.py STEP NAME OUT.

Steps: create, read, change, errors, delete. NAME says whose resources: all of them lie in the resource group sdk-NAME.
What was seen goes to OUT as JSON. The twin of ../go; see there what each step is for.
"""

import base64
import datetime
import enum
import json
import os
import sys
import traceback
import urllib.parse

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.core import MatchConditions
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization import models as roles
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute import models as compute
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice import models as container
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.msi import models as msi
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.network import models as network
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources import models as groups

LOCATION = "eastus"
# Where the provisioner has its images from.
COMMUNITY = "AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2"
SSH_KEY = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 sdk@example"


def plain(model):
    """A model as plain values, by way of its typed attributes: what the model does not know is left out."""
    if isinstance(model, enum.Enum):
        return model.value
    if isinstance(model, datetime.datetime):
        return model.astimezone(datetime.timezone.utc).isoformat()
    if isinstance(model, (bytes, bytearray)):
        return base64.b64encode(model).decode()
    if isinstance(model, (list, tuple)):
        return [plain(item) for item in model]
    # Models generated from TypeSpec.
    if (fields := getattr(type(model), "_attr_to_rest_field", None)) is not None:
        pairs = ((field._rest_name, getattr(model, name)) for name, field in model._attr_to_rest_field.items())
        return {name: plain(value) for name, value in pairs if value is not None}
    # Older ones.
    if hasattr(model, "_attribute_map"):
        return model.serialize(keep_readonly=True)
    if isinstance(model, dict):
        return {name: plain(value) for name, value in model.items()}
    return model


class Versioned(SansIOHTTPPolicy):
    """Sends every request with the version that `versions` has for its namespace or type."""

    def __init__(self, versions):
        self.versions = versions

    def on_request(self, request):
        url = urllib.parse.urlsplit(request.http_request.url)
        for namespace, version in self.versions.items():
            if f"/providers/{namespace}/".lower() in url.path.lower() + "/":
                query = [(k, v) for k, v in urllib.parse.parse_qsl(url.query) if k != "api-version"]
                query.append(("api-version", version))
                request.http_request.url = url._replace(query=urllib.parse.urlencode(query)).geturl()


class Client:
    """The clients of one principal."""

    def __init__(self, of, name, client, secret, versions=None):
        self.of, self.name = of, name
        self.subscription = "/subscriptions/" + of["Subscription"]
        self.group, self.other = f"sdk-{name}", f"sdk-{name}-other"
        self.scope = f"{self.subscription}/resourceGroups/{self.group}"
        self.named = of["Names"][name]
        options = {
            "base_url": of["Endpoint"],
            "credential_scopes": [of["Endpoint"] + "/.default"],
            "per_call_policies": [Versioned(versions or {})],
        }
        token = credential(of, client, secret)
        self.groups = ResourceManagementClient(token, of["Subscription"], **options).resource_groups
        self.network = NetworkManagementClient(token, of["Subscription"], **options)
        self.compute = ComputeManagementClient(token, of["Subscription"], **options)
        self.roles = AuthorizationManagementClient(token, of["Subscription"], **options)
        self.container = ContainerServiceClient(token, of["Subscription"], **options)
        self.msi = ManagedServiceIdentityClient(token, of["Subscription"], **options)

    def id(self, path):
        return f"{self.scope}/providers/{path}"

    def prefix(self, rest):
        return f"10.{self.named['Byte']}.{rest}"

    def network_of(self, prefix, **more):
        space = network.AddressSpace(address_prefixes=[self.prefix(prefix)])
        return network.VirtualNetwork(location=LOCATION, tags=tags(), address_space=space, **more)

    def interface_in(self, subnet):
        configuration = network.NetworkInterfaceIPConfiguration(
            name="ipconfig",
            primary=True,
            private_ip_allocation_method=network.IPAllocationMethod.DYNAMIC,
            subnet=network.Subnet(id=subnet),
        )
        return network.NetworkInterface(
            location=LOCATION, tags=tags(), enable_accelerated_networking=True, ip_configurations=[configuration]
        )

    def machine(self, size):
        identity = self.id("Microsoft.ManagedIdentity/userAssignedIdentities/identity")
        return compute.VirtualMachine(
            location=LOCATION,
            tags=tags(),
            zones=["1"],
            identity=compute.VirtualMachineIdentity(
                type=compute.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities={identity: compute.UserAssignedIdentitiesValue()},
            ),
            hardware_profile=compute.HardwareProfile(vm_size=size),
            storage_profile=compute.StorageProfile(
                image_reference=compute.ImageReference(
                    publisher="Canonical", offer="ubuntu-24_04-lts", sku="server", version="latest"
                ),
                os_disk=compute.OSDisk(
                    name="vm-os",
                    create_option=compute.DiskCreateOptionTypes.FROM_IMAGE,
                    delete_option=compute.DiskDeleteOptionTypes.DELETE,
                    disk_size_gb=64,
                    managed_disk=compute.ManagedDiskParameters(
                        storage_account_type=compute.StorageAccountTypes.PREMIUM_LRS
                    ),
                ),
            ),
            os_profile=compute.OSProfile(
                computer_name="vm",
                admin_username="azureuser",
                linux_configuration=compute.LinuxConfiguration(
                    disable_password_authentication=True,
                    ssh=compute.SshConfiguration(
                        public_keys=[
                            compute.SshPublicKey(path="/home/azureuser/.ssh/authorized_keys", key_data=SSH_KEY)
                        ]
                    ),
                ),
            ),
            network_profile=compute.NetworkProfile(
                network_interfaces=[
                    compute.NetworkInterfaceReference(
                        id=self.id("Microsoft.Network/networkInterfaces/nic"),
                        primary=True,
                        delete_option=compute.DeleteOptions.DETACH,
                    )
                ]
            ),
        )

    def cluster(self):
        identity = self.id("Microsoft.ManagedIdentity/userAssignedIdentities/identity")
        return container.ManagedCluster(
            location=LOCATION,
            tags=tags(),
            identity=container.ManagedClusterIdentity(
                type=container.ResourceIdentityType.USER_ASSIGNED,
                user_assigned_identities={identity: container.ManagedServiceIdentityUserAssignedIdentitiesValue()},
            ),
            dns_prefix=f"sdk-{self.name}",
            node_provisioning_profile=container.ManagedClusterNodeProvisioningProfile(
                mode=container.NodeProvisioningMode.AUTO
            ),
            oidc_issuer_profile=container.ManagedClusterOIDCIssuerProfile(enabled=True),
            network_profile=container.ContainerServiceNetworkProfile(
                network_plugin=container.NetworkPlugin.AZURE,
                network_plugin_mode=container.NetworkPluginMode.OVERLAY,
                network_dataplane=container.NetworkDataplane.CILIUM,
                network_policy=container.NetworkPolicy.CILIUM,
                load_balancer_sku=container.LoadBalancerSku.STANDARD,
                service_cidr="172.16.0.0/16",
                dns_service_ip="172.16.0.10",
                pod_cidr="192.168.0.0/16",
            ),
            agent_pool_profiles=[
                container.ManagedClusterAgentPoolProfile(
                    name="system",
                    mode=container.AgentPoolMode.SYSTEM,
                    count=2,
                    vm_size="Standard_D4s_v5",
                    vnet_subnet_id=self.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"),
                )
            ],
        )

    def pool(self, count, **more):
        return container.AgentPool(
            mode=container.AgentPoolMode.USER,
            count=count,
            vm_size="Standard_D2s_v5",
            node_labels={"team": "one"},
            node_taints=["team=one:NoSchedule"],
            vnet_subnet_id=self.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"),
            **more,
        )

    def definition(self, *actions):
        return roles.RoleDefinition(
            role_name=f"Joins subnets of {self.name}",
            description="for ci/sdk",
            role_type="CustomRole",
            assignable_scopes=[self.subscription],
            permissions=[roles.Permission(actions=list(actions), not_actions=[])],
        )

    def assignment(self, definition, principal):
        return roles.RoleAssignmentCreateParameters(
            role_definition_id=f"{self.subscription}/providers/Microsoft.Authorization/roleDefinitions/{definition}",
            principal_id=principal,
            principal_type=roles.PrincipalType.SERVICE_PRINCIPAL,
            description="for ci/sdk",
        )

    def power(self):
        view = self.compute.virtual_machines.instance_view(self.group, "vm")
        return next((s.code for s in view.statuses if s.code.startswith("PowerState/")), "unknown")


def credential(of, client, secret):
    return ClientSecretCredential(
        of["Tenant"], client, secret, authority=of["Endpoint"], disable_instance_discovery=True
    )


def tags(**more):
    return {"purpose": "ci/sdk", "empty": "", **more}


def create(c):
    seen, group, name = {}, c.group, c.named
    for group in (c.other, c.group):
        seen[group] = c.groups.create_or_update(group, groups.ResourceGroup(location=LOCATION, tags=tags()))
    rule = network.SecurityRule(
        name="ssh",
        access=network.SecurityRuleAccess.DENY,
        direction=network.SecurityRuleDirection.INBOUND,
        priority=200,
        protocol=network.SecurityRuleProtocol.TCP,
        source_address_prefix="Internet",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_ranges=["22", "2222-2232"],
    )
    security = network.NetworkSecurityGroup(location=LOCATION, tags=tags(), security_rules=[rule])
    security = c.network.network_security_groups.begin_create_or_update(group, "nsg", security).result()
    seen["nsg"] = security
    first = network.Subnet(name="first", address_prefixes=[c.prefix("0.0/24")])
    networks = c.network.virtual_networks
    seen["vnet"] = networks.begin_create_or_update(group, "vnet", c.network_of("0.0/16", subnets=[first])).result()
    subnet = network.Subnet(
        address_prefix=c.prefix("1.0/24"),
        network_security_group=network.NetworkSecurityGroup(id=security.id),
        service_endpoints=[network.ServiceEndpointPropertiesFormat(service="Microsoft.Storage")],
    )
    seen["nodes"] = c.network.subnets.begin_create_or_update(group, "vnet", "nodes", subnet).result()
    for other in ("a", "b", "c"):
        networks.begin_create_or_update(group, other, c.network_of("0.0/16")).result()
    interface = c.interface_in(c.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"))
    seen["nic"] = c.network.network_interfaces.begin_create_or_update(group, "nic", interface).result()

    identity = c.msi.user_assigned_identities.create_or_update(
        group, "identity", msi.Identity(location=LOCATION, tags=tags())
    )
    seen["identity"] = identity
    seen["federated"] = c.msi.federated_identity_credentials.create_or_update(
        group,
        "identity",
        "federated",
        msi.FederatedIdentityCredential(
            issuer=f"https://issuer.example/{c.name}",
            subject="system:serviceaccount:kube-system:karpenter",
            audiences=["api://AzureADTokenExchange"],
        ),
    )
    seen["definition"] = c.roles.role_definitions.create_or_update(
        c.subscription,
        name["Definition"],
        c.definition(
            "Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/virtualNetworks/subnets/read"
        ),
    )
    seen["assignment"] = c.roles.role_assignments.create(
        c.scope, name["Assignment"], c.assignment(name["Definition"], identity.principal_id)
    )

    gallery = compute.Gallery(location=LOCATION, tags=tags(), description="for ci/sdk")
    name = f"sdk_{c.name}"
    seen["gallery"] = c.compute.galleries.begin_create_or_update(group, name, gallery).result()

    # Another program takes the operation over.
    machines = c.compute.virtual_machines
    started = machines.begin_create_or_update(group, "vm", c.machine("Standard_D2s_v5"))
    token = started.continuation_token()
    seen["vm"] = machines.begin_create_or_update(group, "vm", None, continuation_token=token).result()
    seen["cluster"] = c.container.managed_clusters.begin_create_or_update(group, "cluster", c.cluster()).result()
    seen["pool"] = c.container.agent_pools.begin_create_or_update(group, "cluster", "extra", c.pool(1)).result()
    return seen


def change(c):
    seen, group = {}, c.group
    changed = tags(changed="python")
    patch = network.TagsObject(tags=changed)
    seen["nsg"] = c.network.network_security_groups.update_tags(group, "nsg", patch)
    seen["vnet"] = c.network.virtual_networks.update_tags(group, "vnet", patch)
    seen["nic"] = c.network.network_interfaces.update_tags(group, "nic", patch)
    seen["identity"] = c.msi.user_assigned_identities.update(group, "identity", msi.IdentityUpdate(tags=changed))
    seen[group] = c.groups.update(group, groups.ResourceGroupPatchable(tags=changed))

    subnets = c.network.subnets
    subnet = subnets.get(group, "vnet", "first")
    subnet.network_security_group = network.NetworkSecurityGroup(id=c.id("Microsoft.Network/networkSecurityGroups/nsg"))
    seen["first"] = subnets.begin_create_or_update(group, "vnet", "first", subnet).result()
    seen["definition"] = c.roles.role_definitions.create_or_update(
        c.subscription,
        c.named["Definition"],
        c.definition("Microsoft.Network/virtualNetworks/subnets/join/action"),
    )

    machines = c.compute.virtual_machines
    seen["vm"] = machines.begin_update(group, "vm", compute.VirtualMachineUpdate(tags=changed)).result()
    machines.begin_deallocate(group, "vm").result()
    seen["stopped"] = c.power()
    machines.begin_start(group, "vm").result()
    seen["started"] = c.power()

    seen["pool"] = c.container.agent_pools.begin_create_or_update(group, "cluster", "extra", c.pool(2)).result()
    clusters = c.container.managed_clusters
    seen["cluster"] = clusters.begin_update_tags(group, "cluster", container.TagsObject(tags=changed)).result()
    return seen


def read(c):
    group, get, lists, pages = c.group, {}, {}, {}

    def listed(what, paged):
        names, count = [], 0
        for page in paged.by_page():
            count += 1
            for item in page:
                item = plain(item)
                lists[f"{what}/{item['name']}"] = item
                names.append(item["name"])
        pages[what] = {"pages": count, "names": sorted(names)}

    get["networkSecurityGroups/nsg"] = c.network.network_security_groups.get(group, "nsg")
    listed("networkSecurityGroups", c.network.network_security_groups.list(group))
    for name in ("vnet", "a", "b", "c"):
        get[f"virtualNetworks/{name}"] = c.network.virtual_networks.get(group, name)
    listed("virtualNetworks", c.network.virtual_networks.list(group))
    for name in ("first", "nodes"):
        get[f"subnets/{name}"] = c.network.subnets.get(group, "vnet", name)
    listed("subnets", c.network.subnets.list(group, "vnet"))
    get["networkInterfaces/nic"] = c.network.network_interfaces.get(group, "nic")
    listed("networkInterfaces", c.network.network_interfaces.list(group))

    get["userAssignedIdentities/identity"] = c.msi.user_assigned_identities.get(group, "identity")
    listed("userAssignedIdentities", c.msi.user_assigned_identities.list_by_resource_group(group))
    get["federatedIdentityCredentials/federated"] = c.msi.federated_identity_credentials.get(
        group, "identity", "federated"
    )
    listed("federatedIdentityCredentials", c.msi.federated_identity_credentials.list(group, "identity"))

    definition, assignment = c.named["Definition"], c.named["Assignment"]
    get[f"roleDefinitions/{definition}"] = c.roles.role_definitions.get(c.subscription, definition)
    listed("roleDefinitions", c.roles.role_definitions.list(c.subscription, filter="type eq 'CustomRole'"))
    get[f"roleAssignments/{assignment}"] = c.roles.role_assignments.get(c.scope, assignment)
    listed("roleAssignments", c.roles.role_assignments.list_for_scope(c.scope, filter="atScope()"))

    get["virtualMachines/vm"] = c.compute.virtual_machines.get(group, "vm")
    listed("virtualMachines", c.compute.virtual_machines.list(group))
    get["disks/vm-os"] = c.compute.disks.get(group, "vm-os")
    listed("disks", c.compute.disks.list_by_resource_group(group))
    listed("galleries", c.compute.galleries.list_by_resource_group(group))
    listed("communityImages", c.compute.community_gallery_images.list(LOCATION, COMMUNITY))
    listed("skus", c.compute.resource_skus.list(filter="location eq 'eastus'"))

    get["managedClusters/cluster"] = c.container.managed_clusters.get(group, "cluster")
    listed("managedClusters", c.container.managed_clusters.list_by_resource_group(group))
    for name in ("system", "extra"):
        get[f"agentPools/{name}"] = c.container.agent_pools.get(group, "cluster", name)
    listed("agentPools", c.container.agent_pools.list(group, "cluster"))
    return {"get": get, "list": lists, "pages": pages}


def told(ask):
    """What a typed error says: status and code. A poller is followed to its end."""
    try:
        answer = ask()
        if hasattr(answer, "result"):
            answer.result()
    except HttpResponseError as error:
        return [error.status_code, error.error.code if error.error else None]
    return "no error"


def errors(c):
    seen, group = {}, c.group
    networks, subnets, machines = c.network.virtual_networks, c.network.subnets, c.compute.virtual_machines
    pools, clusters, interfaces = c.container.agent_pools, c.container.managed_clusters, c.network.network_interfaces
    assignments, stranger = c.roles.role_assignments, c.named["Stranger"]
    nodes = c.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes")

    seen["a network that is not there"] = told(lambda: networks.get(group, "nowhere"))
    seen["a group that is not there"] = told(lambda: networks.get("nowhere", "vnet"))
    seen["a list in a group that is not there"] = told(lambda: list(networks.list("nowhere")))
    seen["a subnet that is not there"] = told(lambda: subnets.get(group, "vnet", "nowhere"))
    seen["a machine that is not there"] = told(lambda: machines.get(group, "nowhere"))
    seen["an identity that is not there"] = told(lambda: c.msi.user_assigned_identities.get(group, "nowhere"))
    seen["a cluster that is not there"] = told(lambda: clusters.get(group, "nowhere"))
    seen["a pool that is not there"] = told(lambda: pools.get(group, "cluster", "nowhere"))
    seen["an assignment that is not there"] = told(lambda: assignments.get(c.scope, stranger))

    outside = network.Subnet(address_prefix="192.0.2.0/24")
    seen["a subnet outside of its network"] = told(
        lambda: subnets.begin_create_or_update(group, "vnet", "outside", outside)
    )
    seen["a subnet in use"] = told(lambda: subnets.begin_delete(group, "vnet", "nodes"))
    seen["an interface in use"] = told(lambda: interfaces.begin_delete(group, "nic"))
    seen["a security group in use"] = told(lambda: c.network.network_security_groups.begin_delete(group, "nsg"))
    lost = c.interface_in(nodes + "-nowhere")
    seen["an interface in a subnet that is not there"] = told(
        lambda: interfaces.begin_create_or_update(group, "lost", lost)
    )

    odd, second = c.machine("Standard_Nonsense"), c.machine("Standard_D2s_v5")
    second.storage_profile.os_disk.name = "second-os"
    seen["a size that is none"] = told(lambda: machines.begin_create_or_update(group, "odd", odd))
    seen["another machine with the same interface"] = told(
        lambda: machines.begin_create_or_update(group, "second", second)
    )

    definition, assignment = c.named["Definition"], c.named["Assignment"]
    principal = c.msi.user_assigned_identities.get(group, "identity").principal_id

    def assign(name, body):
        return told(lambda: assignments.create(c.scope, name, body))

    seen["an assignment under another name"] = assign(stranger, c.assignment(definition, principal))
    seen["an assignment to somebody else"] = assign(assignment, c.assignment(definition, stranger))
    seen["an assignment of a role that is none"] = assign(stranger, c.assignment(stranger, principal))
    seen["a role in use"] = told(lambda: c.roles.role_definitions.delete(c.subscription, definition))

    scaling = c.pool(1, enable_auto_scaling=True, min_count=1, max_count=3)
    seen["a pool that scales itself"] = told(
        lambda: pools.begin_create_or_update(group, "cluster", "scaling", scaling)
    )
    seen["the last system pool"] = told(lambda: pools.begin_delete(group, "cluster", "system"))
    stale = {"etag": "stale", "match_condition": MatchConditions.IfNotModified}
    seen["a stale ETag"] = told(
        lambda: clusters.begin_update_tags(group, "cluster", container.TagsObject(tags=tags()), **stale)
    )

    networks.begin_create_or_update(c.other, "shared", c.network_of("0.0/16")).result()
    shared = network.Subnet(address_prefix=c.prefix("0.0/24"))
    shared = subnets.begin_create_or_update(c.other, "shared", "shared", shared).result()
    interfaces.begin_create_or_update(group, "guest", c.interface_in(shared.id)).result()
    seen["a group whose network is in use elsewhere"] = told(lambda: c.groups.begin_delete(c.other))
    interfaces.begin_delete(group, "guest").result()

    weak = Client(c.of, c.name, c.of["Reader"], c.of["ReaderSecret"])
    seen["a reader reads"] = told(lambda: weak.network.virtual_networks.get(group, "vnet"))
    forbidden = c.network_of("0.0/16")
    seen["a reader writes"] = told(
        lambda: weak.network.virtual_networks.begin_create_or_update(group, "forbidden", forbidden)
    )
    seen["a reader deletes"] = told(lambda: weak.compute.virtual_machines.begin_delete(group, "vm"))
    seen["a reader asks for credentials"] = told(
        lambda: weak.container.managed_clusters.list_cluster_admin_credentials(group, "cluster")
    )

    try:
        credential(c.of, c.of["Client"], "wrong").get_token(c.of["Endpoint"] + "/.default")
        seen["a wrong secret"] = False
    except ClientAuthenticationError as error:
        seen["a wrong secret"] = "AADSTS7000215" in str(error)
    return seen


def delete(c):
    group = c.group
    c.container.agent_pools.begin_delete(group, "cluster", "extra").result()
    c.container.managed_clusters.begin_delete(group, "cluster").result()
    c.compute.virtual_machines.begin_delete(group, "vm").result()
    c.network.network_interfaces.begin_delete(group, "nic").result()
    c.roles.role_assignments.delete(c.scope, c.named["Assignment"])
    c.roles.role_definitions.delete(c.subscription, c.named["Definition"])
    c.msi.federated_identity_credentials.delete(group, "identity", "federated")
    c.msi.user_assigned_identities.delete(group, "identity")
    c.network.subnets.begin_delete(group, "vnet", "nodes").result()

    seen = {
        "pool": told(lambda: c.container.agent_pools.get(group, "cluster", "extra")),
        "cluster": told(lambda: c.container.managed_clusters.get(group, "cluster")),
        "vm": told(lambda: c.compute.virtual_machines.get(group, "vm")),
        "disk": told(lambda: c.compute.disks.get(group, "vm-os")),
        "nic": told(lambda: c.network.network_interfaces.get(group, "nic")),
        "assignment": told(lambda: c.roles.role_assignments.get(c.scope, c.named["Assignment"])),
        "definition": told(lambda: c.roles.role_definitions.get(c.subscription, c.named["Definition"])),
        "identity": told(lambda: c.msi.user_assigned_identities.get(group, "identity")),
        "subnet": told(lambda: c.network.subnets.get(group, "vnet", "nodes")),
        "gone already": told(lambda: c.network.network_interfaces.begin_delete(group, "nic")),
    }
    for group in (c.group, c.other):
        c.groups.begin_delete(group).result()
        seen[group] = told(lambda: c.groups.get(group))
    seen["network"] = told(lambda: c.network.virtual_networks.get(c.group, "vnet"))
    return seen


def main():
    steps = {"create": create, "read": read, "change": change, "errors": errors, "delete": delete}
    if len(sys.argv) != 4 or sys.argv[1] not in steps:
        print("usage: sdk.py create|read|change|errors|delete NAME OUT", file=sys.stderr)
        return 2
    of = json.loads(os.environ["SDK_SURROUNDINGS"])
    _, step, name, out = sys.argv
    client = Client(of, name, of["Client"], of["Secret"], of["Versions"] if step == "read" else None)
    try:
        seen = steps[step](client)
    except HttpResponseError as error:
        traceback.print_exc()
        print(error, file=sys.stderr)
        return 1
    with open(out, "w", encoding="utf-8") as file:
        json.dump(plain(seen), file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
