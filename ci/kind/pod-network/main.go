// Command pod-network connects the pods of a node with those of the others, as kind's own kindnet does, for IPv4 and
// without network policies. On each node it
//
//   - tells the container runtime how to give a pod an address of the node's range (ptp, host-local, portmap),
//   - keeps a route to the pods of every other node,
//   - lets packets of pods leave the cluster with the node's address.
//
// Its image is made from scratch: ip and iptables are the node's, which is mounted at /host.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	host    = "/host"
	config  = "/etc/cni/net.d/10-catnap.conflist"
	account = "/var/run/secrets/kubernetes.io/serviceaccount"
	chain   = "CATNAP-MASQUERADE"
	// Between two attempts after an error: the API server may still be starting.
	retry = time.Second
)

type node struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

func (n node) address() string {
	for _, address := range n.Status.Addresses {
		if address.Type == "InternalIP" && net.ParseIP(address.Address).To4() != nil {
			return address.Address
		}
	}
	return ""
}

func main() {
	log.SetFlags(0)
	network := network{self: os.Getenv("NODE_NAME"), pods: os.Getenv("POD_SUBNET"), routes: map[string]string{}}
	if network.self == "" || network.pods == "" {
		log.Fatal("NODE_NAME and POD_SUBNET must be set: the manifest of pod-network sets both")
	}
	if strings.ContainsAny(network.pods, ":,") {
		log.Fatalf("pods are to be in %s, and this knows only IPv4: say ipFamily: ipv4 in kind's configuration", network.pods)
	}
	for {
		if err := network.follow(); err != nil {
			log.Printf("trying again in %s: %v", retry, err)
			time.Sleep(retry)
		}
	}
}

// What a node knows of the cluster's network.
type network struct {
	self, pods string
	// The routes that were set, by the name of the node they lead to: `10.244.1.0/24 via 172.18.0.3`.
	routes map[string]string
	// The node's own range, once it is configured.
	configured string
}

// follow reads all nodes and then what becomes of them, until the API server ends the watch or something fails.
func (n *network) follow() error {
	if err := n.masquerade(); err != nil {
		return err
	}
	api, err := connect()
	if err != nil {
		return err
	}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []node `json:"items"`
	}
	answer, err := api.get("/api/v1/nodes")
	if err != nil {
		return err
	}
	err = json.NewDecoder(answer.Body).Decode(&list)
	answer.Body.Close()
	if err != nil {
		return fmt.Errorf("failed to read the list of nodes: %w", err)
	}
	present := map[string]bool{}
	for _, item := range list.Items {
		present[item.Metadata.Name] = true
		if err := n.learn(item); err != nil {
			return err
		}
	}
	for name := range n.routes {
		if !present[name] {
			n.forget(name)
		}
	}
	answer, err = api.get("/api/v1/nodes?watch=true&resourceVersion=" + list.Metadata.ResourceVersion)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	events := json.NewDecoder(bufio.NewReader(answer.Body))
	for {
		var event struct {
			Type   string `json:"type"`
			Object node   `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			return fmt.Errorf("the watch of nodes ended: %w", err)
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			if err := n.learn(event.Object); err != nil {
				return err
			}
		case "DELETED":
			n.forget(event.Object.Metadata.Name)
		case "ERROR":
			return errors.New("the API server ended the watch of nodes with an error")
		}
	}
}

func (n *network) learn(item node) error {
	name, pods := item.Metadata.Name, item.Spec.PodCIDR
	if pods == "" {
		return nil
	}
	if name == n.self {
		return n.configure(pods)
	}
	address := item.address()
	if address == "" {
		return nil
	}
	route := pods + " via " + address
	if n.routes[name] == route {
		return nil
	}
	n.forget(name)
	if err := run("/usr/sbin/ip", "route", "replace", pods, "via", address); err != nil {
		return err
	}
	n.routes[name] = route
	log.Printf("pods of %s: %s", name, route)
	return nil
}

func (n *network) forget(name string) {
	route, known := n.routes[name]
	if !known {
		return
	}
	delete(n.routes, name)
	if err := run("/usr/sbin/ip", append([]string{"route", "delete"}, strings.Fields(route)...)...); err != nil {
		log.Print(err)
	}
}

// configure writes what the container runtime reads. It appears at once, so that nobody reads half of it.
func (n *network) configure(pods string) error {
	if n.configured == pods {
		return nil
	}
	text := fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": "catnap",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": %q}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, pods)
	path := filepath.Join(host, config)
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	n.configured = pods
	log.Printf("pods of this node: %s", pods)
	return nil
}

// masquerade lets packets of pods to anything but pods leave with the address of the node.
func (n *network) masquerade() error {
	// Fails where the chain is there already.
	_ = iptables("-N", chain)
	for _, rule := range [][]string{
		{chain, "-d", n.pods, "-j", "RETURN"},
		{chain, "-j", "MASQUERADE"},
		{"POSTROUTING", "-s", n.pods, "-m", "addrtype", "!", "--dst-type", "LOCAL", "-j", chain},
	} {
		if iptables(append([]string{"-C"}, rule...)...) == nil {
			continue
		}
		if err := iptables(append([]string{"-A"}, rule...)...); err != nil {
			return err
		}
	}
	return nil
}

func iptables(arguments ...string) error {
	return run("/usr/sbin/iptables", append([]string{"--wait", "-t", "nat"}, arguments...)...)
}

// run runs a program of the node.
func run(program string, arguments ...string) error {
	command := exec.Command(program, arguments...)
	command.Dir = "/"
	command.SysProcAttr = &syscall.SysProcAttr{Chroot: host}
	if output, err := command.CombinedOutput(); err != nil {
		said := strings.TrimSpace(string(output))
		return fmt.Errorf("%s %s failed on the node: %w: %s", program, strings.Join(arguments, " "), err, said)
	}
	return nil
}

// The API server, as the service account of the pod reaches it.
type api struct {
	client   *http.Client
	endpoint string
	token    string
}

func connect() (*api, error) {
	token, err := os.ReadFile(filepath.Join(account, "token"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(account, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s/ca.crt holds no certificate", account)
	}
	endpoint := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	transport := &http.Transport{
		TLSClientConfig:       &tls.Config{RootCAs: roots},
		DialContext:           (&net.Dialer{Timeout: time.Second, KeepAlive: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: 10 * time.Second,
	}
	return &api{&http.Client{Transport: transport}, "https://" + endpoint, string(token)}, nil
}

func (a *api) get(path string) (*http.Response, error) {
	request, err := http.NewRequest(http.MethodGet, a.endpoint+path, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	answer, err := a.client.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return answer, nil
}
