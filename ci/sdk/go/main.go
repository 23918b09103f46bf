// Command sdk does one step of ci/sdk/run with the Azure SDK for Go: sdk STEP NAME OUT.
//
// Steps: create, read, change, errors, delete. NAME says whose resources: all of them lie in the resource group
// sdk-NAME. What was seen goes to OUT as JSON. The twin of ../python/sdk.py.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/compute/armcompute/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/containerservice/armcontainerservice/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/network/armnetwork/v8"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/resources/armresources"
)

const location = "eastus"

// surroundings is what the runner tells.
type surroundings struct {
	Endpoint, Tenant, Subscription, Client, Secret string
	// Another client, which may only read.
	Reader, ReaderSecret string
	// Api-versions that both SDKs read with, by namespace or type.
	Versions map[string]string
	// Per name of resources: the second byte of their networks' addresses, ids of role definition and assignment.
	Names map[string]struct {
		Byte                             int
		Definition, Assignment, Stranger string
	}
}

// client holds the clients of one principal.
type client struct {
	surroundings
	name      string
	groups    *armresources.ResourceGroupsClient
	network   *armnetwork.ClientFactory
	compute   *armcompute.ClientFactory
	roles     *armauthorization.ClientFactory
	container *armcontainerservice.ClientFactory
	msi       *armmsi.ClientFactory
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// finished waits for an operation to end.
func finished[T any](poller *runtime.Poller[T], err error) T {
	check(err)
	return must(poller.PollUntilDone(context.Background(), nil))
}

// ended is finished, for operations that are to fail.
func ended[T any](poller *runtime.Poller[T], err error) error {
	if err == nil {
		_, err = poller.PollUntilDone(context.Background(), nil)
	}
	return err
}

// all reads a list to its end.
func all[P, T any](pager *runtime.Pager[P], values func(P) []*T) ([]*T, int) {
	var found []*T
	pages := 0
	for pager.More() {
		found = append(found, values(must(pager.NextPage(context.Background())))...)
		pages++
	}
	return found, pages
}

// plain is a model as plain values, as the model's own marshaller writes it.
func plain(model any) any {
	var value any
	check(json.Unmarshal(must(json.Marshal(model)), &value))
	return value
}

func clouds(of surroundings) azcore.ClientOptions {
	return azcore.ClientOptions{Cloud: cloud.Configuration{
		ActiveDirectoryAuthorityHost: of.Endpoint,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: of.Endpoint, Audience: of.Endpoint},
		},
	}}
}

func credential(of surroundings, id, secret string) *azidentity.ClientSecretCredential {
	return must(azidentity.NewClientSecretCredential(of.Tenant, id, secret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: clouds(of), DisableInstanceDiscovery: true,
	}))
}

// versioned sends every request with the version that it has for its namespace or type.
type versioned map[string]string

func (v versioned) Do(request *policy.Request) (*http.Response, error) {
	url := request.Raw().URL
	for namespace, version := range v {
		if contains(url.Path+"/", "/providers/"+namespace+"/") {
			query := url.Query()
			query.Set("api-version", version)
			url.RawQuery = query.Encode()
		}
	}
	return request.Next()
}

func connect(of surroundings, name, id, secret string, versions map[string]string) client {
	options := &arm.ClientOptions{ClientOptions: clouds(of)}
	if versions != nil {
		options.PerCallPolicies = []policy.Policy{versioned(versions)}
	}
	token := credential(of, id, secret)
	return client{
		surroundings: of,
		name:         name,
		groups:       must(armresources.NewResourceGroupsClient(of.Subscription, token, options)),
		network:      must(armnetwork.NewClientFactory(of.Subscription, token, options)),
		compute:      must(armcompute.NewClientFactory(of.Subscription, token, options)),
		roles:        must(armauthorization.NewClientFactory(of.Subscription, token, options)),
		container:    must(armcontainerservice.NewClientFactory(of.Subscription, token, options)),
		msi:          must(armmsi.NewClientFactory(of.Subscription, token, options)),
	}
}

func main() {
	defer func() {
		if trouble := recover(); trouble != nil {
			var refused *azcore.ResponseError
			if err, ok := trouble.(error); !ok || !errors.As(err, &refused) {
				panic(trouble)
			}
			fmt.Fprintln(os.Stderr, refused)
			os.Exit(1)
		}
	}()
	steps := map[string]func(client) any{
		"create": create, "read": read, "change": change, "errors": refusals, "delete": remove,
	}
	if len(os.Args) != 4 || steps[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: sdk create|read|change|errors|delete NAME OUT")
		os.Exit(2)
	}
	var of surroundings
	check(json.Unmarshal([]byte(os.Getenv("SDK_SURROUNDINGS")), &of))
	step, name, out := os.Args[1], os.Args[2], os.Args[3]
	var versions map[string]string
	if step == "read" {
		versions = of.Versions
	}
	seen := steps[step](connect(of, name, of.Client, of.Secret, versions))
	check(os.WriteFile(out, must(json.MarshalIndent(seen, "", " ")), 0o666))
}
