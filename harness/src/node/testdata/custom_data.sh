#!/bin/bash

set -o allexport
echo '#EOF' >> /opt/azure/manifest.json

echo $(date),$(hostname) > /var/log/azure/cluster-provision-cse-output.log;
for i in $(seq 1 1200); do
grep -Fq "EOF" /opt/azure/containers/provision.sh && break;
if [ $i -eq 1200 ]; then exit 100; else sleep 1; fi;
done;

ADMINUSER=azureuser
MOBY_VERSION=
TENANT_ID=00000000-0000-0000-0000-00000000000a
KUBERNETES_VERSION=1.34.4
KUBE_BINARY_URL=
SUBSCRIPTION_ID=12345678-1234-1234-1234-123456789012
RESOURCE_GROUP=MC_lab_lab_eastus
LOCATION=eastus
VM_TYPE=vmss
SUBNET=custom-subnet
NETWORK_SECURITY_GROUP=aks-agentpool-12345678-nsg
VIRTUAL_NETWORK=vnet
VIRTUAL_NETWORK_RESOURCE_GROUP=net
NETWORK_PLUGIN=none
NETWORK_POLICY=""
KUBE_BINARY_URL=https://mirror.example/kubernetes/v1.34.4/binaries/kubernetes-node-linux-amd64.tar.gz
USER_ASSIGNED_IDENTITY_ID=00000000-0000-0000-0000-00000000000b
API_SERVER_NAME=@SERVER@
OUTBOUND_COMMAND="curl -v --insecure --proxy-insecure https://mcr.microsoft.com/v2/"
NEEDS_CONTAINERD="true"
TLS_BOOTSTRAP_TOKEN="@TOKEN@"
KUBELET_FLAGS="--address=0.0.0.0 --cloud-provider=external --cluster-dns=10.2.0.10 --cluster-domain=cluster.local --eviction-hard=memory.available<750Mi --kube-reserved=cpu=140m,memory=2355Mi --max-pods=250 --node-status-update-frequency=10s --register-with-taints=team=blue:NoSchedule,karpenter.sh/unregistered:NoExecute --rotate-certificates=true --streaming-connection-idle-timeout=4h"
KUBELET_NODE_LABELS="karpenter.sh/nodepool=custom,karpenter.sh/capacity-type=on-demand,karpenter.sh/do-not-sync-taints=true,karpenter.azure.com/aksnodeclass=custom,karpenter.azure.com/sku-cpu=4,kubernetes.azure.com/role=agent,kubernetes.azure.com/cluster=MC_lab_lab_eastus,kubernetes.azure.com/mode=user,kubernetes.azure.com/azure-cni-overlay=true,kubernetes.azure.com/network-subnet=custom-subnet,node.kubernetes.io/instance-type=Standard_D4s_v5,kubernetes.io/arch=amd64,kubernetes.io/os=linux,topology.kubernetes.io/region=eastus"
AZURE_ENVIRONMENT_FILEPATH=""
KUBE_CA_CRT="@CA@"
IS_KATA="false"
CSE_TIMEOUT=15m
/usr/bin/nohup /bin/bash -c "/bin/bash /opt/azure/containers/provision_start.sh"
