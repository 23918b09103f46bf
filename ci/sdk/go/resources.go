package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

const (
	// Where the provisioner has its images from.
	community = "AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2"
	sshKey    = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC7 sdk@example"
)

var background = context.Background()

func contains(path, part string) bool {
	return strings.Contains(strings.ToLower(path), strings.ToLower(part))
}

func (c client) group() string { return "sdk-" + c.name }

func (c client) other() string { return "sdk-" + c.name + "-other" }

func (c client) scope() string {
	return "/subscriptions/" + c.Subscription + "/resourceGroups/" + c.group()
}

func (c client) id(path string) *string {
	return to.Ptr(c.scope() + "/providers/" + path)
}

func (c client) prefix(rest string) *string {
	return to.Ptr(fmt.Sprintf("10.%d.%s", c.Names[c.name].Byte, rest))
}

func tags(more ...string) map[string]*string {
	tags := map[string]*string{"purpose": to.Ptr("ci/sdk"), "empty": to.Ptr("")}
	for i := 0; i+1 < len(more); i += 2 {
		tags[more[i]] = &more[i+1]
	}
	return tags
}

func (c client) networkOf(prefix string) armnetwork.VirtualNetwork {
	return armnetwork.VirtualNetwork{
		Location: to.Ptr(location),
		Tags:     tags(),
		Properties: &armnetwork.VirtualNetworkPropertiesFormat{
			AddressSpace: &armnetwork.AddressSpace{AddressPrefixes: []*string{c.prefix(prefix)}},
		},
	}
}

func (c client) interfaceIn(subnet string) armnetwork.Interface {
	return armnetwork.Interface{
		Location: to.Ptr(location),
		Tags:     tags(),
		Properties: &armnetwork.InterfacePropertiesFormat{
			EnableAcceleratedNetworking: to.Ptr(true),
			IPConfigurations: []*armnetwork.InterfaceIPConfiguration{{
				Name: to.Ptr("ipconfig"),
				Properties: &armnetwork.InterfaceIPConfigurationPropertiesFormat{
					Primary:                   to.Ptr(true),
					PrivateIPAllocationMethod: to.Ptr(armnetwork.IPAllocationMethodDynamic),
					Subnet:                    &armnetwork.Subnet{ID: c.id(subnet)},
				},
			}},
		},
	}
}

func (c client) machine(size string) armcompute.VirtualMachine {
	return armcompute.VirtualMachine{
		Location: to.Ptr(location),
		Tags:     tags(),
		Zones:    []*string{to.Ptr("1")},
		Identity: &armcompute.VirtualMachineIdentity{
			Type: to.Ptr(armcompute.ResourceIdentityTypeUserAssigned),
			UserAssignedIdentities: map[string]*armcompute.UserAssignedIdentitiesValue{
				*c.id("Microsoft.ManagedIdentity/userAssignedIdentities/identity"): {},
			},
		},
		Properties: &armcompute.VirtualMachineProperties{
			HardwareProfile: &armcompute.HardwareProfile{VMSize: to.Ptr(armcompute.VirtualMachineSizeTypes(size))},
			StorageProfile: &armcompute.StorageProfile{
				ImageReference: &armcompute.ImageReference{
					Publisher: to.Ptr("Canonical"), Offer: to.Ptr("ubuntu-24_04-lts"), SKU: to.Ptr("server"), Version: to.Ptr("latest"),
				},
				OSDisk: &armcompute.OSDisk{
					Name:         to.Ptr("vm-os"),
					CreateOption: to.Ptr(armcompute.DiskCreateOptionTypesFromImage),
					DeleteOption: to.Ptr(armcompute.DiskDeleteOptionTypesDelete),
					DiskSizeGB:   to.Ptr[int32](64),
					ManagedDisk:  &armcompute.ManagedDiskParameters{StorageAccountType: to.Ptr(armcompute.StorageAccountTypesPremiumLRS)},
				},
			},
			OSProfile: &armcompute.OSProfile{
				ComputerName:  to.Ptr("vm"),
				AdminUsername: to.Ptr("azureuser"),
				LinuxConfiguration: &armcompute.LinuxConfiguration{
					DisablePasswordAuthentication: to.Ptr(true),
					SSH: &armcompute.SSHConfiguration{PublicKeys: []*armcompute.SSHPublicKey{{
						Path: to.Ptr("/home/azureuser/.ssh/authorized_keys"), KeyData: to.Ptr(sshKey),
					}}},
				},
			},
			NetworkProfile: &armcompute.NetworkProfile{NetworkInterfaces: []*armcompute.NetworkInterfaceReference{{
				ID: c.id("Microsoft.Network/networkInterfaces/nic"),
				Properties: &armcompute.NetworkInterfaceReferenceProperties{
					Primary: to.Ptr(true), DeleteOption: to.Ptr(armcompute.DeleteOptionsDetach),
				},
			}}},
		},
	}
}

func (c client) cluster() armcontainerservice.ManagedCluster {
	return armcontainerservice.ManagedCluster{
		Location: to.Ptr(location),
		Tags:     tags(),
		Identity: &armcontainerservice.ManagedClusterIdentity{
			Type: to.Ptr(armcontainerservice.ResourceIdentityTypeUserAssigned),
			UserAssignedIdentities: map[string]*armcontainerservice.ManagedServiceIdentityUserAssignedIdentitiesValue{
				*c.id("Microsoft.ManagedIdentity/userAssignedIdentities/identity"): {},
			},
		},
		Properties: &armcontainerservice.ManagedClusterProperties{
			DNSPrefix: to.Ptr("sdk-" + c.name),
			NodeProvisioningProfile: &armcontainerservice.ManagedClusterNodeProvisioningProfile{
				Mode: to.Ptr(armcontainerservice.NodeProvisioningModeAuto),
			},
			OidcIssuerProfile: &armcontainerservice.ManagedClusterOIDCIssuerProfile{Enabled: to.Ptr(true)},
			NetworkProfile: &armcontainerservice.NetworkProfile{
				NetworkPlugin:     to.Ptr(armcontainerservice.NetworkPluginAzure),
				NetworkPluginMode: to.Ptr(armcontainerservice.NetworkPluginModeOverlay),
				NetworkDataplane:  to.Ptr(armcontainerservice.NetworkDataplaneCilium),
				NetworkPolicy:     to.Ptr(armcontainerservice.NetworkPolicyCilium),
				LoadBalancerSKU:   to.Ptr(armcontainerservice.LoadBalancerSKUStandard),
				ServiceCidr:       to.Ptr("172.16.0.0/16"),
				DNSServiceIP:      to.Ptr("172.16.0.10"),
				PodCidr:           to.Ptr("192.168.0.0/16"),
			},
			AgentPoolProfiles: []*armcontainerservice.ManagedClusterAgentPoolProfile{{
				Name:         to.Ptr("system"),
				Mode:         to.Ptr(armcontainerservice.AgentPoolModeSystem),
				Count:        to.Ptr[int32](2),
				VMSize:       to.Ptr("Standard_D4s_v5"),
				VnetSubnetID: c.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"),
			}},
		},
	}
}

func (c client) pool(count int32) armcontainerservice.AgentPool {
	return armcontainerservice.AgentPool{Properties: &armcontainerservice.ManagedClusterAgentPoolProfileProperties{
		Mode:         to.Ptr(armcontainerservice.AgentPoolModeUser),
		Count:        to.Ptr(count),
		VMSize:       to.Ptr("Standard_D2s_v5"),
		NodeLabels:   map[string]*string{"team": to.Ptr("one")},
		NodeTaints:   []*string{to.Ptr("team=one:NoSchedule")},
		VnetSubnetID: c.id("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"),
	}}
}

func (c client) definition(actions ...string) armauthorization.RoleDefinition {
	of := make([]*string, len(actions))
	for i := range actions {
		of[i] = &actions[i]
	}
	return armauthorization.RoleDefinition{Properties: &armauthorization.RoleDefinitionProperties{
		RoleName:         to.Ptr("Joins subnets of " + c.name),
		Description:      to.Ptr("for ci/sdk"),
		RoleType:         to.Ptr("CustomRole"),
		AssignableScopes: []*string{to.Ptr("/subscriptions/" + c.Subscription)},
		Permissions:      []*armauthorization.Permission{{Actions: of, NotActions: []*string{}}},
	}}
}

func (c client) assignment(definition, principal string) armauthorization.RoleAssignmentCreateParameters {
	return armauthorization.RoleAssignmentCreateParameters{Properties: &armauthorization.RoleAssignmentProperties{
		RoleDefinitionID: to.Ptr("/subscriptions/" + c.Subscription + "/providers/Microsoft.Authorization/roleDefinitions/" + definition),
		PrincipalID:      &principal,
		PrincipalType:    to.Ptr(armauthorization.PrincipalTypeServicePrincipal),
		Description:      to.Ptr("for ci/sdk"),
	}}
}

func create(c client) any {
	name, group := c.Names[c.name], c.group()
	seen := map[string]any{}
	for _, group := range []string{c.group(), c.other()} {
		made := must(c.groups.CreateOrUpdate(background, group, armresources.ResourceGroup{Location: to.Ptr(location), Tags: tags()}, nil))
		seen[group] = plain(made.ResourceGroup)
	}

	rule := armnetwork.SecurityRule{
		Name: to.Ptr("ssh"),
		Properties: &armnetwork.SecurityRulePropertiesFormat{
			Access:                   to.Ptr(armnetwork.SecurityRuleAccessDeny),
			Direction:                to.Ptr(armnetwork.SecurityRuleDirectionInbound),
			Priority:                 to.Ptr[int32](200),
			Protocol:                 to.Ptr(armnetwork.SecurityRuleProtocolTCP),
			SourceAddressPrefix:      to.Ptr("Internet"),
			SourcePortRange:          to.Ptr("*"),
			DestinationAddressPrefix: to.Ptr("*"),
			DestinationPortRanges:    []*string{to.Ptr("22"), to.Ptr("2222-2232")},
		},
	}
	security := finished(c.network.NewSecurityGroupsClient().BeginCreateOrUpdate(background, group, "nsg", armnetwork.SecurityGroup{
		Location:   to.Ptr(location),
		Tags:       tags(),
		Properties: &armnetwork.SecurityGroupPropertiesFormat{SecurityRules: []*armnetwork.SecurityRule{&rule}},
	}, nil))
	seen["nsg"] = plain(security.SecurityGroup)

	network := c.networkOf("0.0/16")
	network.Properties.Subnets = []*armnetwork.Subnet{{
		Name:       to.Ptr("first"),
		Properties: &armnetwork.SubnetPropertiesFormat{AddressPrefixes: []*string{c.prefix("0.0/24")}},
	}}
	seen["vnet"] = plain(finished(c.network.NewVirtualNetworksClient().BeginCreateOrUpdate(background, group, "vnet", network, nil)).VirtualNetwork)
	subnet := armnetwork.Subnet{Properties: &armnetwork.SubnetPropertiesFormat{
		AddressPrefix:        c.prefix("1.0/24"),
		NetworkSecurityGroup: &armnetwork.SecurityGroup{ID: security.ID},
		ServiceEndpoints:     []*armnetwork.ServiceEndpointPropertiesFormat{{Service: to.Ptr("Microsoft.Storage")}},
	}}
	seen["nodes"] = plain(finished(c.network.NewSubnetsClient().BeginCreateOrUpdate(background, group, "vnet", "nodes", subnet, nil)).Subnet)
	for _, name := range []string{"a", "b", "c"} {
		finished(c.network.NewVirtualNetworksClient().BeginCreateOrUpdate(background, group, name, c.networkOf("0.0/16"), nil))
	}
	seen["nic"] = plain(finished(c.network.NewInterfacesClient().BeginCreateOrUpdate(background, group, "nic",
		c.interfaceIn("Microsoft.Network/virtualNetworks/vnet/subnets/nodes"), nil)).Interface)

	identity := must(c.msi.NewUserAssignedIdentitiesClient().CreateOrUpdate(background, group, "identity",
		armmsi.Identity{Location: to.Ptr(location), Tags: tags()}, nil))
	seen["identity"] = plain(identity.Identity)
	seen["federated"] = plain(must(c.msi.NewFederatedIdentityCredentialsClient().CreateOrUpdate(background, group, "identity", "federated",
		armmsi.FederatedIdentityCredential{Properties: &armmsi.FederatedIdentityCredentialProperties{
			Issuer:    to.Ptr("https://issuer.example/" + c.name),
			Subject:   to.Ptr("system:serviceaccount:kube-system:karpenter"),
			Audiences: []*string{to.Ptr("api://AzureADTokenExchange")},
		}}, nil)).FederatedIdentityCredential)

	subscription := "/subscriptions/" + c.Subscription
	seen["definition"] = plain(must(c.roles.NewRoleDefinitionsClient().CreateOrUpdate(background, subscription, name.Definition,
		c.definition("Microsoft.Network/virtualNetworks/subnets/join/action", "Microsoft.Network/virtualNetworks/subnets/read"), nil)).RoleDefinition)
	seen["assignment"] = plain(must(c.roles.NewRoleAssignmentsClient().Create(background, c.scope(), name.Assignment,
		c.assignment(name.Definition, *identity.Properties.PrincipalID), nil)).RoleAssignment)

	gallery := armcompute.Gallery{
		Location: to.Ptr(location), Tags: tags(), Properties: &armcompute.GalleryProperties{Description: to.Ptr("for ci/sdk")},
	}
	seen["gallery"] = plain(finished(c.compute.NewGalleriesClient().BeginCreateOrUpdate(background, group, "sdk_"+c.name, gallery, nil)).Gallery)

	// Another program takes the operation over.
	machines := c.compute.NewVirtualMachinesClient()
	started := must(machines.BeginCreateOrUpdate(background, group, "vm", c.machine("Standard_D2s_v5"), nil))
	token := must(started.ResumeToken())
	resumed, err := machines.BeginCreateOrUpdate(background, group, "vm", armcompute.VirtualMachine{},
		&armcompute.VirtualMachinesClientBeginCreateOrUpdateOptions{ResumeToken: token})
	seen["vm"] = plain(finished(resumed, err).VirtualMachine)

	seen["cluster"] = plain(finished(c.container.NewManagedClustersClient().BeginCreateOrUpdate(background, group, "cluster", c.cluster(), nil)).ManagedCluster)
	seen["pool"] = plain(finished(c.container.NewAgentPoolsClient().BeginCreateOrUpdate(background, group, "cluster", "extra", c.pool(1), nil)).AgentPool)
	return seen
}

// change touches what another has made.
func change(c client) any {
	group := c.group()
	changed := tags("changed", "go")
	seen := map[string]any{}
	patch := armnetwork.TagsObject{Tags: changed}
	seen["nsg"] = plain(must(c.network.NewSecurityGroupsClient().UpdateTags(background, group, "nsg", patch, nil)).SecurityGroup)
	seen["vnet"] = plain(must(c.network.NewVirtualNetworksClient().UpdateTags(background, group, "vnet", patch, nil)).VirtualNetwork)
	seen["nic"] = plain(must(c.network.NewInterfacesClient().UpdateTags(background, group, "nic", patch, nil)).Interface)
	seen["identity"] = plain(must(c.msi.NewUserAssignedIdentitiesClient().Update(background, group, "identity", armmsi.IdentityUpdate{Tags: changed}, nil)).Identity)
	seen[group] = plain(must(c.groups.Update(background, group, armresources.ResourceGroupPatchable{Tags: changed}, nil)).ResourceGroup)

	// What was read is sent again with one thing more, as programs do.
	subnets := c.network.NewSubnetsClient()
	subnet := must(subnets.Get(background, group, "vnet", "first", nil)).Subnet
	subnet.Properties.NetworkSecurityGroup = &armnetwork.SecurityGroup{ID: c.id("Microsoft.Network/networkSecurityGroups/nsg")}
	seen["first"] = plain(finished(subnets.BeginCreateOrUpdate(background, group, "vnet", "first", subnet, nil)).Subnet)
	definitions := c.roles.NewRoleDefinitionsClient()
	seen["definition"] = plain(must(definitions.CreateOrUpdate(background, "/subscriptions/"+c.Subscription, c.Names[c.name].Definition,
		c.definition("Microsoft.Network/virtualNetworks/subnets/join/action"), nil)).RoleDefinition)

	machines := c.compute.NewVirtualMachinesClient()
	seen["vm"] = plain(finished(machines.BeginUpdate(background, group, "vm", armcompute.VirtualMachineUpdate{Tags: changed}, nil)).VirtualMachine)
	finished(machines.BeginDeallocate(background, group, "vm", nil))
	seen["stopped"] = c.power()
	finished(machines.BeginStart(background, group, "vm", nil))
	seen["started"] = c.power()

	seen["pool"] = plain(finished(c.container.NewAgentPoolsClient().BeginCreateOrUpdate(background, group, "cluster", "extra", c.pool(2), nil)).AgentPool)
	seen["cluster"] = plain(finished(c.container.NewManagedClustersClient().BeginUpdateTags(background, group, "cluster",
		armcontainerservice.TagsObject{Tags: changed}, nil)).ManagedCluster)
	return seen
}

func (c client) power() string {
	view := must(c.compute.NewVirtualMachinesClient().InstanceView(background, c.group(), "vm", nil))
	for _, status := range view.Statuses {
		if strings.HasPrefix(*status.Code, "PowerState/") {
			return *status.Code
		}
	}
	return "unknown"
}
