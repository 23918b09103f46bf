//! The provisioner's environment, all of it derived from the managed cluster and its surroundings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use fake_arm::engine::ManagedCluster;
use serde_json::json;
use url::Url;

use super::settings::ProvisionerSettings;
use super::version::ArmRoute;

/// A managed cluster may be without a key, as the one of the documents' template is; the provisioner does not start without
/// one. What AKS gives it then is not known; a key whose other half nobody has opens no machine.
const SSH_KEY_OF_AKS: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ aks";

/// What the provisioner's cluster is and where it finds everything.
#[derive(Debug, Clone)]
pub struct ProvisionerWorld {
    /// The managed cluster whose nodes it provisions.
    pub cluster: ManagedCluster,
    /// Azure Resource Manager, `https://127.0.0.1:8443`.
    pub arm_endpoint: Url,
    /// Certificate authority of that endpoint, a PEM file.
    pub arm_ca: PathBuf,
    /// Token endpoint of the managed identity, in the shape of App Service (`…/msi/token`).
    pub identity_endpoint: Url,
    /// Secret that goes with each token request (`X-Identity-Header`).
    pub identity_header: String,
    /// API server, `https://127.0.0.1:6443`.
    pub api_server: Url,
    /// Certificate authority of the API server, PEM.
    pub api_server_ca: String,
    /// kubeconfig with the rights of the provisioner.
    pub kubeconfig: PathBuf,
    /// With which it talks to the cluster that it runs in, as pods do with that of their service account.
    pub service_account_token: String,
    /// Bootstrap token that it gives to its machines, `<id>.<secret>`.
    pub bootstrap_token: String,
}

/// What is chosen anew with each start.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// Port of `/readyz`.
    pub(super) health_port: u16,
    /// Port of `/metrics`.
    pub(super) metrics_port: u16,
    /// File with [`azure_environment`].
    pub(super) environment_file: PathBuf,
    /// Proxy that leads to ARM, for versions that need one.
    pub(super) proxy: Option<Url>,
}

/// The content of `AZURE_ENVIRONMENT_FILEPATH`. The name is a public cloud's: the provisioner puts its billing
/// extension on machines in those, as it does in Azure.
pub(super) fn azure_environment(world: &ProvisionerWorld) -> serde_json::Value {
    let endpoint = world.arm_endpoint.as_str().trim_end_matches('/');
    json!({
        "name": "AzurePublicCloud",
        "resourceManagerEndpoint": endpoint,
        "activeDirectoryEndpoint": endpoint,
        "tokenAudience": endpoint,
    })
}

/// All of the provisioner's environment.
pub(super) fn environment(
    world: &ProvisionerWorld,
    settings: &ProvisionerSettings,
    start: &Start,
) -> BTreeMap<String, String> {
    let ProvisionerWorld { cluster, .. } = world;
    let traits = settings.version.traits();
    let mut all = BTreeMap::new();
    let mut set = |name: &str, value: &str| {
        all.insert(name.to_owned(), value.to_owned());
    };

    // Azure.
    set("SSL_CERT_FILE", &world.arm_ca.display().to_string());
    match (traits.arm, &start.proxy) {
        (ArmRoute::EnvironmentFile, _) => {
            set("AZURE_ENVIRONMENT_FILEPATH", &start.environment_file.display().to_string());
        }
        (ArmRoute::Proxy, proxy) => {
            set("HTTPS_PROXY", proxy.as_ref().map_or("", Url::as_str).trim_end_matches('/'));
            set("NO_PROXY", "127.0.0.1,localhost");
        }
    }
    set("AZURE_TOKEN_CREDENTIALS", traits.token_credentials);
    set("IDENTITY_ENDPOINT", world.identity_endpoint.as_str());
    set("IDENTITY_HEADER", &world.identity_header);
    if !cluster.cluster_identity.resource_id.is_empty() {
        // A user-assigned identity is asked for by name; a system-assigned one is the endpoint's own.
        set("AZURE_CLIENT_ID", &cluster.cluster_identity.client_id.to_string());
    }
    for prefix in traits.identity_prefixes {
        set(&format!("{prefix}SUBSCRIPTION_ID"), &cluster.subscription_id);
        set(&format!("{prefix}TENANT_ID"), &cluster.tenant_id);
    }
    set("ARM_RESOURCE_GROUP", &cluster.resource_group);
    set("LOCATION", &cluster.location);
    if traits.sdk_logging {
        // The ledger has each call already.
        set("ENABLE_AZURE_SDK_LOGGING", "false");
    }

    // Kubernetes.
    set("KUBECONFIG", &world.kubeconfig.display().to_string());
    set("KUBERNETES_SERVICE_HOST", world.api_server.host_str().unwrap_or_default());
    set("KUBERNETES_SERVICE_PORT", &world.api_server.port_or_known_default().unwrap_or(443).to_string());

    // The cluster.
    set("CLUSTER_NAME", &cluster.name);
    set("CLUSTER_ENDPOINT", &format!("https://{}:443", cluster.fqdn));
    set("KUBELET_BOOTSTRAP_TOKEN", &world.bootstrap_token);
    set("LINUX_ADMIN_USERNAME", &cluster.admin_username);
    let given = cluster.ssh_public_key.as_str();
    set("SSH_PUBLIC_KEY", if given.is_empty() { SSH_KEY_OF_AKS } else { given });
    set("AZURE_NODE_RESOURCE_GROUP", &cluster.node_resource_group);
    if !cluster.kubelet_identity.client_id.is_nil() {
        set("KUBELET_IDENTITY_CLIENT_ID", &cluster.kubelet_identity.client_id.to_string());
    }
    if !cluster.kubelet_identity.resource_id.is_empty() {
        set("NODE_IDENTITIES", &cluster.kubelet_identity.resource_id);
    }

    // The network. Empty is a value here: unset would mean overlay, cilium. VNET_GUID is left out, so that the
    // provisioner reads the virtual network itself, with the rights of its identity.
    set("VNET_SUBNET_ID", &cluster.subnet_id);
    set("NETWORK_PLUGIN", &cluster.network.plugin);
    set("NETWORK_PLUGIN_MODE", &cluster.network.plugin_mode);
    set("NETWORK_DATAPLANE", &cluster.network.dataplane);
    set("NETWORK_POLICY", &cluster.network.policy);

    // Itself. Without a home client-go looks up the user's, which in a user namespace is root's; an ordinary user may not
    // look there, and the provisioner then exits with status 1 and without a word.
    let home = start.environment_file.parent().unwrap_or(std::path::Path::new("/"));
    set("HOME", &home.display().to_string());
    set("DISABLE_LEADER_ELECTION", "true");
    set("HEALTH_PROBE_PORT", &start.health_port.to_string());
    set("METRICS_PORT", &start.metrics_port.to_string());
    set("LOG_LEVEL", &settings.log_level);
    set("BATCH_IDLE_DURATION", &go_duration(settings.batch_idle));
    set("BATCH_MAX_DURATION", &go_duration(settings.batch_max));

    for (name, value) in &settings.environment {
        match value {
            Some(value) => all.insert(name.clone(), value.clone()),
            None => all.remove(name),
        };
    }
    all
}

fn go_duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

#[cfg(test)]
pub(super) mod tests {
    use fake_arm::engine::{Identity, NetworkProfile};

    use super::*;

    pub(crate) fn cluster() -> ManagedCluster {
        let subscription = "12345678-1234-1234-1234-123456789012";
        ManagedCluster {
            id: format!(
                "/subscriptions/{subscription}/resourceGroups/lab/providers/Microsoft.ContainerService/managedClusters/lab"
            ),
            name: "lab".into(),
            subscription_id: subscription.into(),
            tenant_id: "00000000-0000-0000-0000-00000000000a".into(),
            resource_group: "lab".into(),
            node_resource_group: "MC_lab_lab_eastus".into(),
            location: "eastus".into(),
            kubernetes_version: "1.34.4".into(),
            fqdn: "lab-dns-0a1b2c3d4e5f.hcp.eastus.azmk8s.io".into(),
            node_provisioning: true,
            default_node_pools: false,
            network: NetworkProfile {
                plugin: "azure".into(),
                plugin_mode: "overlay".into(),
                dataplane: "cilium".into(),
                policy: "cilium".into(),
                pod_cidr: Some("10.244.0.0/16".parse().expect("range")),
                service_cidr: "10.2.0.0/16".parse().expect("range"),
                dns_service_ip: [10, 2, 0, 10].into(),
                pod_cidrs: vec!["10.244.0.0/16".parse().expect("range")],
                service_cidrs: vec!["10.2.0.0/16".parse().expect("range")],
                outbound_type: "loadBalancer".into(),
            },
            subnet_id: format!(
                "/subscriptions/{subscription}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/cluster-subnet"
            ),
            vnet_guid: None,
            admin_username: "azureuser".into(),
            ssh_public_key: "ssh-rsa AAAA lab".into(),
            cluster_identity: Identity {
                resource_id: String::new(),
                client_id: uuid::Uuid::from_u128(0xc1),
                object_id: uuid::Uuid::from_u128(0x01),
            },
            kubelet_identity: Identity {
                resource_id: format!(
                    "/subscriptions/{subscription}/resourceGroups/MC_lab_lab_eastus/providers/Microsoft.ManagedIdentity/userAssignedIdentities/lab-agentpool"
                ),
                client_id: uuid::Uuid::from_u128(0xc2),
                object_id: uuid::Uuid::from_u128(0x02),
            },
            tags: BTreeMap::new(),
        }
    }

    pub(in crate::provisioner) fn world() -> ProvisionerWorld {
        ProvisionerWorld {
            cluster: cluster(),
            arm_endpoint: "https://127.0.0.1:8443/".parse().expect("url"),
            arm_ca: "/lab/ca.pem".into(),
            identity_endpoint: "http://127.0.0.1:8480/msi/token".parse().expect("url"),
            identity_header: "secret".into(),
            api_server: "https://127.0.0.1:6443".parse().expect("url"),
            api_server_ca: String::new(),
            kubeconfig: "/lab/kubeconfig".into(),
            service_account_token: "token".into(),
            bootstrap_token: "abcdef.0123456789abcdef".into(),
        }
    }

    fn start() -> Start {
        Start {
            health_port: 8081,
            metrics_port: 8080,
            environment_file: "/lab/azure.json".into(),
            proxy: Some("http://127.0.0.1:3128".parse().expect("url")),
        }
    }

    fn settings(version: &str) -> ProvisionerSettings {
        ProvisionerSettings::new("/bin/karpenter", version.parse().expect("version"))
    }

    #[test]
    fn the_environment_follows_from_the_cluster() {
        insta::assert_json_snapshot!(environment(&world(), &settings("1.7.1"), &start()));
    }

    #[test]
    fn older_versions_get_what_they_read() {
        let newest = environment(&world(), &settings("1.7.1"), &start());
        for version in ["1.6.3", "1.5.1"] {
            let older = environment(&world(), &settings(version), &start());
            let only = |one: &BTreeMap<String, String>, other: &BTreeMap<String, String>| {
                let differs = |(name, value): &(&String, &String)| other.get(*name) != Some(*value);
                one.iter().filter(differs).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
            };
            insta::assert_json_snapshot!(
                version,
                json!({"only here": only(&older, &newest), "only in 1.7.1": only(&newest, &older)})
            );
        }
    }

    #[test]
    fn node_subnet_networking_is_said_with_empty_values() {
        let mut world = world();
        world.cluster.network.plugin_mode = String::new();
        world.cluster.network.dataplane = String::new();
        let all = environment(&world, &settings("1.7.1"), &start());
        assert_eq!((all["NETWORK_PLUGIN_MODE"].as_str(), all["NETWORK_DATAPLANE"].as_str()), ("", ""));
    }

    #[test]
    fn a_user_assigned_identity_is_asked_for_by_its_client_id() {
        let mut world = world();
        assert!(!environment(&world, &settings("1.7.1"), &start()).contains_key("AZURE_CLIENT_ID"));
        world.cluster.cluster_identity.resource_id = "/subscriptions/s/…/userAssignedIdentities/lab".into();
        let all = environment(&world, &settings("1.7.1"), &start());
        assert_eq!(all["AZURE_CLIENT_ID"], "00000000-0000-0000-0000-0000000000c1");
    }

    #[test]
    fn a_cluster_without_a_key_has_one_for_its_machines() {
        let mut world = world();
        world.cluster.ssh_public_key = String::new();
        let settings = ProvisionerSettings::new("karpenter", "1.7.1".parse().unwrap());
        let variables = environment(&world, &settings, &start());
        assert_eq!(variables["SSH_PUBLIC_KEY"], SSH_KEY_OF_AKS);
    }

    #[test]
    fn a_scenario_has_the_last_word() {
        let settings =
            settings("1.7.1").env("VNET_SUBNET_ID", "/other").without_env("VNET_GUID").without_env("LOCATION");
        let all = environment(&world(), &settings, &start());
        assert_eq!(all["VNET_SUBNET_ID"], "/other");
        assert!(!all.contains_key("LOCATION"));
    }

    #[test]
    fn the_azure_environment_has_no_slash_at_the_end_of_the_audience() {
        insta::assert_json_snapshot!(azure_environment(&world()));
    }
}
