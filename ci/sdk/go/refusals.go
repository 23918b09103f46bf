package main

import (
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
)

// told is what a typed error says: status and code.
func told(err error) any {
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		return []any{refused.StatusCode, refused.ErrorCode}
	}
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// failure leaves a response away.
func failure[T any](_ T, err error) error { return err }

func refusals(c client) any {
	group := c.group()
	networks, subnets := c.network.NewVirtualNetworksClient(), c.network.NewSubnetsClient()
	nodes := "Microsoft.Network/virtualNetworks/vnet/subnets/nodes"
	seen := map[string]any{}

	seen["a network that is not there"] = told(failure(networks.Get(background, group, "nowhere", nil)))
	seen["a group that is not there"] = told(failure(networks.Get(background, "nowhere", "vnet", nil)))
	seen["a list in a group that is not there"] = told(failure(networks.NewListPager("nowhere", nil).NextPage(background)))
	seen["a subnet that is not there"] = told(failure(subnets.Get(background, group, "vnet", "nowhere", nil)))
	seen["a machine that is not there"] = told(failure(c.compute.NewVirtualMachinesClient().Get(background, group, "nowhere", nil)))
	seen["an identity that is not there"] = told(failure(c.msi.NewUserAssignedIdentitiesClient().Get(background, group, "nowhere", nil)))
	seen["a cluster that is not there"] = told(failure(c.container.NewManagedClustersClient().Get(background, group, "nowhere", nil)))
	seen["a pool that is not there"] = told(failure(c.container.NewAgentPoolsClient().Get(background, group, "cluster", "nowhere", nil)))
	seen["an assignment that is not there"] = told(failure(c.roles.NewRoleAssignmentsClient().Get(background, c.scope(), c.Names[c.name].Stranger, nil)))

	outside := armnetwork.Subnet{Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: ptr("192.0.2.0/24")}}
	seen["a subnet outside of its network"] = told(ended(subnets.BeginCreateOrUpdate(background, group, "vnet", "outside", outside, nil)))
	seen["a subnet in use"] = told(ended(subnets.BeginDelete(background, group, "vnet", "nodes", nil)))
	seen["an interface in use"] = told(ended(c.network.NewInterfacesClient().BeginDelete(background, group, "nic", nil)))
	seen["a security group in use"] = told(ended(c.network.NewSecurityGroupsClient().BeginDelete(background, group, "nsg", nil)))
	seen["an interface in a subnet that is not there"] = told(ended(c.network.NewInterfacesClient().BeginCreateOrUpdate(background, group, "lost",
		c.interfaceIn(nodes+"-nowhere"), nil)))

	odd := c.machine("Standard_Nonsense")
	seen["a size that is none"] = told(ended(c.compute.NewVirtualMachinesClient().BeginCreateOrUpdate(background, group, "odd", odd, nil)))
	second := c.machine("Standard_D2s_v5")
	second.Properties.StorageProfile.OSDisk.Name = ptr("second-os")
	seen["another machine with the same interface"] = told(ended(c.compute.NewVirtualMachinesClient().BeginCreateOrUpdate(background, group, "second", second, nil)))

	name := c.Names[c.name]
	principal := *must(c.msi.NewUserAssignedIdentitiesClient().Get(background, group, "identity", nil)).Properties.PrincipalID
	assign := func(id string, body armauthorization.RoleAssignmentCreateParameters) any {
		return told(failure(c.roles.NewRoleAssignmentsClient().Create(background, c.scope(), id, body, nil)))
	}
	seen["an assignment under another name"] = assign(name.Stranger, c.assignment(name.Definition, principal))
	seen["an assignment to somebody else"] = assign(name.Assignment, c.assignment(name.Definition, name.Stranger))
	seen["an assignment of a role that is none"] = assign(name.Stranger, c.assignment(name.Stranger, principal))
	seen["a role in use"] = told(failure(c.roles.NewRoleDefinitionsClient().Delete(background, "/subscriptions/"+c.Subscription, name.Definition, nil)))

	scaling := c.pool(1)
	scaling.Properties.EnableAutoScaling, scaling.Properties.MinCount, scaling.Properties.MaxCount = ptr(true), ptr[int32](1), ptr[int32](3)
	pools := c.container.NewAgentPoolsClient()
	seen["a pool that scales itself"] = told(ended(pools.BeginCreateOrUpdate(background, group, "cluster", "scaling", scaling, nil)))
	seen["the last system pool"] = told(ended(pools.BeginDelete(background, group, "cluster", "system", nil)))
	stale := &armcontainerservice.ManagedClustersClientBeginUpdateTagsOptions{IfMatch: ptr("stale")}
	seen["a stale ETag"] = told(ended(c.container.NewManagedClustersClient().BeginUpdateTags(background, group, "cluster",
		armcontainerservice.TagsObject{Tags: tags()}, stale)))

	// An operation that is taken and fails later: the other group's network has an interface of the group.
	finished(networks.BeginCreateOrUpdate(background, c.other(), "shared", c.networkOf("0.0/16"), nil))
	finished(subnets.BeginCreateOrUpdate(background, c.other(), "shared", "shared",
		armnetwork.Subnet{Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefix: c.prefix("0.0/24")}}, nil))
	guest := c.interfaceIn("")
	guest.Properties.IPConfigurations[0].Properties.Subnet.ID = ptr("/subscriptions/" + c.Subscription + "/resourceGroups/" + c.other() +
		"/providers/Microsoft.Network/virtualNetworks/shared/subnets/shared")
	finished(c.network.NewInterfacesClient().BeginCreateOrUpdate(background, group, "guest", guest, nil))
	seen["a group whose network is in use elsewhere"] = told(ended(c.groups.BeginDelete(background, c.other(), nil)))
	finished(c.network.NewInterfacesClient().BeginDelete(background, group, "guest", nil))

	weak := connect(c.surroundings, c.name, c.Reader, c.ReaderSecret, nil)
	seen["a reader reads"] = told(failure(weak.network.NewVirtualNetworksClient().Get(background, group, "vnet", nil)))
	seen["a reader writes"] = told(ended(weak.network.NewVirtualNetworksClient().BeginCreateOrUpdate(background, group, "forbidden", c.networkOf("0.0/16"), nil)))
	seen["a reader deletes"] = told(ended(weak.compute.NewVirtualMachinesClient().BeginDelete(background, group, "vm", nil)))
	seen["a reader asks for credentials"] = told(failure(weak.container.NewManagedClustersClient().ListClusterAdminCredentials(background, group, "cluster", nil)))

	_, err := credential(c.surroundings, c.Client, "wrong").GetToken(background, policy.TokenRequestOptions{Scopes: []string{c.Endpoint + "/.default"}})
	var refused *azidentity.AuthenticationFailedError
	seen["a wrong secret"] = errors.As(err, &refused) && contains(err.Error(), "AADSTS7000215")
	return seen
}

// remove deletes everything, then looks for it.
func remove(c client) any {
	name, group, subscription := c.Names[c.name], c.group(), "/subscriptions/"+c.Subscription
	finished(c.container.NewAgentPoolsClient().BeginDelete(background, group, "cluster", "extra", nil))
	finished(c.container.NewManagedClustersClient().BeginDelete(background, group, "cluster", nil))
	finished(c.compute.NewVirtualMachinesClient().BeginDelete(background, group, "vm", nil))
	finished(c.network.NewInterfacesClient().BeginDelete(background, group, "nic", nil))
	must(c.roles.NewRoleAssignmentsClient().Delete(background, c.scope(), name.Assignment, nil))
	must(c.roles.NewRoleDefinitionsClient().Delete(background, subscription, name.Definition, nil))
	must(c.msi.NewFederatedIdentityCredentialsClient().Delete(background, group, "identity", "federated", nil))
	must(c.msi.NewUserAssignedIdentitiesClient().Delete(background, group, "identity", nil))
	finished(c.network.NewSubnetsClient().BeginDelete(background, group, "vnet", "nodes", nil))

	seen := map[string]any{}
	seen["pool"] = told(failure(c.container.NewAgentPoolsClient().Get(background, group, "cluster", "extra", nil)))
	seen["cluster"] = told(failure(c.container.NewManagedClustersClient().Get(background, group, "cluster", nil)))
	seen["vm"] = told(failure(c.compute.NewVirtualMachinesClient().Get(background, group, "vm", nil)))
	seen["disk"] = told(failure(c.compute.NewDisksClient().Get(background, group, "vm-os", nil)))
	seen["nic"] = told(failure(c.network.NewInterfacesClient().Get(background, group, "nic", nil)))
	seen["assignment"] = told(failure(c.roles.NewRoleAssignmentsClient().Get(background, c.scope(), name.Assignment, nil)))
	seen["definition"] = told(failure(c.roles.NewRoleDefinitionsClient().Get(background, subscription, name.Definition, nil)))
	seen["identity"] = told(failure(c.msi.NewUserAssignedIdentitiesClient().Get(background, group, "identity", nil)))
	seen["subnet"] = told(failure(c.network.NewSubnetsClient().Get(background, group, "vnet", "nodes", nil)))
	seen["gone already"] = told(ended(c.network.NewInterfacesClient().BeginDelete(background, group, "nic", nil)))
	for _, group := range []string{c.group(), c.other()} {
		finished(c.groups.BeginDelete(background, group, nil))
		seen[group] = told(failure(c.groups.Get(background, group, nil)))
	}
	seen["network"] = told(failure(c.network.NewVirtualNetworksClient().Get(background, group, "vnet", nil)))
	return seen
}
