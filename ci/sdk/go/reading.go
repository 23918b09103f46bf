package main

import (
	"sort"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// looks holds what GET and what a list tells of each resource, and in how many pages and which order lists came.
type looks struct {
	Get   map[string]any `json:"get"`
	List  map[string]any `json:"list"`
	Pages map[string]any `json:"pages"`
}

func (l looks) listed(what string, pages int, values []any) {
	var names []string
	for _, value := range values {
		name, _ := value.(map[string]any)["name"].(string)
		l.List[what+"/"+name] = value
		names = append(names, name)
	}
	sort.Strings(names)
	l.Pages[what] = map[string]any{"pages": pages, "names": names}
}

func plains[T any](models []*T, pages int) (int, []any) {
	values := []any{}
	for _, model := range models {
		values = append(values, plain(model))
	}
	return pages, values
}

func read(c client) any {
	group := c.group()
	l := looks{map[string]any{}, map[string]any{}, map[string]any{}}
	listed := func(what string) func(int, []any) {
		return func(pages int, values []any) { l.listed(what, pages, values) }
	}

	l.Get["networkSecurityGroups/nsg"] = plain(must(c.network.NewSecurityGroupsClient().Get(background, group, "nsg", nil)).SecurityGroup)
	listed("networkSecurityGroups")(plains(all(c.network.NewSecurityGroupsClient().NewListPager(group, nil),
		func(page armnetwork.SecurityGroupsClientListResponse) []*armnetwork.SecurityGroup { return page.Value })))
	for _, name := range []string{"vnet", "a", "b", "c"} {
		l.Get["virtualNetworks/"+name] = plain(must(c.network.NewVirtualNetworksClient().Get(background, group, name, nil)).VirtualNetwork)
	}
	listed("virtualNetworks")(plains(all(c.network.NewVirtualNetworksClient().NewListPager(group, nil),
		func(page armnetwork.VirtualNetworksClientListResponse) []*armnetwork.VirtualNetwork {
			return page.Value
		})))
	for _, name := range []string{"first", "nodes"} {
		l.Get["subnets/"+name] = plain(must(c.network.NewSubnetsClient().Get(background, group, "vnet", name, nil)).Subnet)
	}
	listed("subnets")(plains(all(c.network.NewSubnetsClient().NewListPager(group, "vnet", nil),
		func(page armnetwork.SubnetsClientListResponse) []*armnetwork.Subnet { return page.Value })))
	l.Get["networkInterfaces/nic"] = plain(must(c.network.NewInterfacesClient().Get(background, group, "nic", nil)).Interface)
	listed("networkInterfaces")(plains(all(c.network.NewInterfacesClient().NewListPager(group, nil),
		func(page armnetwork.InterfacesClientListResponse) []*armnetwork.Interface { return page.Value })))

	l.Get["userAssignedIdentities/identity"] = plain(must(c.msi.NewUserAssignedIdentitiesClient().Get(background, group, "identity", nil)).Identity)
	listed("userAssignedIdentities")(plains(all(c.msi.NewUserAssignedIdentitiesClient().NewListByResourceGroupPager(group, nil),
		func(page armmsi.UserAssignedIdentitiesClientListByResourceGroupResponse) []*armmsi.Identity {
			return page.Value
		})))
	l.Get["federatedIdentityCredentials/federated"] = plain(must(c.msi.NewFederatedIdentityCredentialsClient().Get(background, group, "identity", "federated", nil)).FederatedIdentityCredential)
	listed("federatedIdentityCredentials")(plains(all(c.msi.NewFederatedIdentityCredentialsClient().NewListPager(group, "identity", nil),
		func(page armmsi.FederatedIdentityCredentialsClientListResponse) []*armmsi.FederatedIdentityCredential {
			return page.Value
		})))

	name, subscription := c.Names[c.name], "/subscriptions/"+c.Subscription
	l.Get["roleDefinitions/"+name.Definition] = plain(must(c.roles.NewRoleDefinitionsClient().Get(background, subscription, name.Definition, nil)).RoleDefinition)
	custom := "type eq 'CustomRole'"
	listed("roleDefinitions")(plains(all(c.roles.NewRoleDefinitionsClient().NewListPager(subscription, &armauthorization.RoleDefinitionsClientListOptions{Filter: &custom}),
		func(page armauthorization.RoleDefinitionsClientListResponse) []*armauthorization.RoleDefinition {
			return page.Value
		})))
	l.Get["roleAssignments/"+name.Assignment] = plain(must(c.roles.NewRoleAssignmentsClient().Get(background, c.scope(), name.Assignment, nil)).RoleAssignment)
	here := "atScope()"
	listed("roleAssignments")(plains(all(c.roles.NewRoleAssignmentsClient().NewListForScopePager(c.scope(), &armauthorization.RoleAssignmentsClientListForScopeOptions{Filter: &here}),
		func(page armauthorization.RoleAssignmentsClientListForScopeResponse) []*armauthorization.RoleAssignment {
			return page.Value
		})))

	l.Get["virtualMachines/vm"] = plain(must(c.compute.NewVirtualMachinesClient().Get(background, group, "vm", nil)).VirtualMachine)
	listed("virtualMachines")(plains(all(c.compute.NewVirtualMachinesClient().NewListPager(group, nil),
		func(page armcompute.VirtualMachinesClientListResponse) []*armcompute.VirtualMachine {
			return page.Value
		})))
	l.Get["disks/vm-os"] = plain(must(c.compute.NewDisksClient().Get(background, group, "vm-os", nil)).Disk)
	listed("disks")(plains(all(c.compute.NewDisksClient().NewListByResourceGroupPager(group, nil),
		func(page armcompute.DisksClientListByResourceGroupResponse) []*armcompute.Disk { return page.Value })))
	listed("galleries")(plains(all(c.compute.NewGalleriesClient().NewListByResourceGroupPager(group, nil),
		func(page armcompute.GalleriesClientListByResourceGroupResponse) []*armcompute.Gallery {
			return page.Value
		})))
	listed("communityImages")(plains(all(c.compute.NewCommunityGalleryImagesClient().NewListPager(location, community, nil),
		func(page armcompute.CommunityGalleryImagesClientListResponse) []*armcompute.CommunityGalleryImage {
			return page.Value
		})))
	listed("skus")(plains(all(c.compute.NewResourceSKUsClient().NewListPager(&armcompute.ResourceSKUsClientListOptions{Filter: ptr("location eq 'eastus'")}),
		func(page armcompute.ResourceSKUsClientListResponse) []*armcompute.ResourceSKU { return page.Value })))

	l.Get["managedClusters/cluster"] = plain(must(c.container.NewManagedClustersClient().Get(background, group, "cluster", nil)).ManagedCluster)
	listed("managedClusters")(plains(all(c.container.NewManagedClustersClient().NewListByResourceGroupPager(group, nil),
		func(page armcontainerservice.ManagedClustersClientListByResourceGroupResponse) []*armcontainerservice.ManagedCluster {
			return page.Value
		})))
	for _, name := range []string{"system", "extra"} {
		l.Get["agentPools/"+name] = plain(must(c.container.NewAgentPoolsClient().Get(background, group, "cluster", name, nil)).AgentPool)
	}
	listed("agentPools")(plains(all(c.container.NewAgentPoolsClient().NewListPager(group, "cluster", nil),
		func(page armcontainerservice.AgentPoolsClientListResponse) []*armcontainerservice.AgentPool {
			return page.Value
		})))
	return l
}

func ptr[T any](value T) *T { return &value }
