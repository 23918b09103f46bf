//! What node auto-provisioning excludes: the lists of Microsoft's "Node auto-provisioning" (Limitations, Unsupported
//! features) and of its overview.
//!
//! Each limit has two directions. A cluster that has the feature does not get node auto-provisioning, when it is created
//! as well as later; and a cluster with node auto-provisioning does not get the feature. The documents speak of the first
//! only. Where Azure's answer has been seen, it is `OperationNotAllowed` with the sentence
//! `.properties.nodeProvisioningProfile.mode cannot be Auto unless …`; elsewhere a scenario asks for a refusal that names
//! the property, and in every case for a cluster on which nothing has changed.

mod existing;
mod outbound;
mod supported;

use catnap::prelude::*;
use serde_json::{Value, json};
use suites::provisions;

const CONTAINER_SERVICE: &str = "2025-05-01";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const D2: &str = "Standard_D2s_v5";

/// Something that a cluster can have and that node auto-provisioning excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    ClusterAutoscaler,
    WindowsPool,
    DualStack,
    ServicePrincipal,
    DiskEncryptionSet,
    CustomCa,
    HttpProxy,
    BasicLoadBalancer,
}

impl Feature {
    /// Puts it into the properties of a managed cluster.
    fn add(self, properties: &mut Value) {
        match self {
            Self::ClusterAutoscaler => {
                let pool = &mut properties["agentPoolProfiles"][0];
                pool["enableAutoScaling"] = json!(true);
                pool["minCount"] = json!(1);
                pool["maxCount"] = json!(3);
            }
            Self::WindowsPool => {
                // Windows does not go with Cilium, which is another rule.
                let network = &mut properties["networkProfile"];
                network["networkDataplane"] = json!("azure");
                network["networkPolicy"] = json!("none");
                if let Some(pools) = properties["agentPoolProfiles"].as_array_mut() {
                    pools
                        .push(json!({ "name": "win1", "osType": "Windows", "count": 1, "mode": "User", "vmSize": D2 }));
                }
            }
            Self::DualStack => properties["networkProfile"]["ipFamilies"] = json!(["IPv4", "IPv6"]),
            Self::ServicePrincipal => {
                let client = "00000000-0000-0000-0000-00000000abcd";
                properties["servicePrincipalProfile"] = json!({ "clientId": client, "secret": "a secret" });
            }
            Self::DiskEncryptionSet => properties["diskEncryptionSetID"] = json!(DISK_ENCRYPTION_SET),
            Self::CustomCa => properties["securityProfile"]["customCATrustCertificates"] = json!([CERTIFICATE]),
            Self::HttpProxy => {
                let proxy = "http://proxy.example:8080/";
                properties["httpProxyConfig"] =
                    json!({ "httpProxy": proxy, "httpsProxy": proxy, "noProxy": ["localhost"] });
            }
            Self::BasicLoadBalancer => properties["networkProfile"]["loadBalancerSku"] = json!("basic"),
        }
    }

    /// Takes it out of the properties of a cluster that exists, where that is possible.
    fn take_away(self, properties: &mut Value) {
        match self {
            // As Azure CLI does: --disable-cluster-autoscaler sends the bounds away with the switch.
            Self::ClusterAutoscaler => {
                let pool = &mut properties["agentPoolProfiles"][0];
                pool["enableAutoScaling"] = json!(false);
                pool["minCount"] = json!(null);
                pool["maxCount"] = json!(null);
            }
            Self::CustomCa => properties["securityProfile"]["customCATrustCertificates"] = json!([]),
            Self::HttpProxy => properties["httpProxyConfig"]["enabled"] = json!(false),
            settled => panic!("{settled:?} stays as the cluster was made"),
        }
    }

    /// The property that a refusal names.
    fn property(self) -> &'static str {
        match self {
            Self::ClusterAutoscaler => "enableAutoScaling",
            Self::WindowsPool => "osType",
            Self::DualStack => "networkProfile.ipFamilies",
            Self::ServicePrincipal => "servicePrincipalProfile",
            Self::DiskEncryptionSet => "diskEncryptionSetID",
            Self::CustomCa => "customCATrustCertificates",
            Self::HttpProxy => "httpProxyConfig",
            Self::BasicLoadBalancer => "loadBalancerSku",
        }
    }
}

const DISK_ENCRYPTION_SET: &str = "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/keys/providers/Microsoft.Compute/\
     diskEncryptionSets/keys";
/// Base64 of a certificate authority's PEM, as far as Azure looks at it.
const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t";

/// A cluster of the mode, with the features, ready to be asked for. In a network of the user's own where a limit is
/// about those.
async fn cluster_with<'a>(
    lab: &'a Lab,
    mode: catnap::lab::NodeProvisioning,
    feature: Feature,
) -> Result<ManagedClusterBuilder<'a>, Failure> {
    let builder = lab.managed_cluster().node_provisioning(mode);
    let builder = match feature {
        // One document has the limit for all clusters, a newer one for those in a network of the user's own.
        Feature::BasicLoadBalancer => {
            let vnet = match lab.azure().vnets().await.ok().and_then(|mut all| all.pop()) {
                Some(made) => made,
                None => lab.azure().vnet("my-aks-vnet").address_space("10.20.0.0/16").create().await?,
            };
            let subnet = vnet.subnet("cluster-subnet", "10.20.1.0/24").create().await?;
            builder.subnet(&subnet)
        }
        _ => builder,
    };
    Ok(builder.change(|properties| feature.add(properties)))
}

/// What Azure answers to a request that it does not take.
async fn refusal_of(lab: &Lab, (id, body): &(String, Value)) -> Option<ArmError> {
    lab.azure().client().put(id, CONTAINER_SERVICE, body).await.err()
}

/// It was refused at once, in words that name the property.
fn verify_refused(lab: &Lab, what: &str, answer: Option<&ArmError>, property: &str) -> Outcome {
    let told = answer.map_or_else(|| "it was taken".to_owned(), ToString::to_string);
    let refused = answer.and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify(&format!("{what}: refused, naming {property} ({told})"), true, refused && told.contains(property))
}

/// It was refused by the guard of the mode Auto: Azure's code and the beginning of its sentence, and the property.
fn verify_guarded(lab: &Lab, what: &str, answer: Option<&ArmError>, property: &str) -> Outcome {
    verify_refused(lab, what, answer, property)?;
    lab.verify(&format!("{what}: the code"), Some("OperationNotAllowed"), answer.and_then(ArmError::code))?;
    let message = answer.and_then(ArmError::message).unwrap_or_default();
    let guard = ".properties.nodeProvisioningProfile.mode cannot be Auto ";
    lab.verify(&format!("{what}: {message:?} is the guard's sentence"), true, message.starts_with(guard))
}

/// LIM-01, LIM-03, LIM-05, LIM-06, LIM-07, LIM-08, LIM-10, LIM-13, LIM-14: what the documents exclude keeps node
/// auto-provisioning out: of a new cluster, of which nothing is made then, and of an existing one, which is taken with
/// the feature in mode Manual and which stays as it was, with its workload.
#[scenario]
#[case::cluster_autoscaler(Feature::ClusterAutoscaler)]
#[case::windows_pool(Feature::WindowsPool)]
#[case::dual_stack(Feature::DualStack)]
#[case::service_principal(Feature::ServicePrincipal)]
#[case::disk_encryption_set(Feature::DiskEncryptionSet)]
#[case::custom_ca(Feature::CustomCa)]
#[case::http_proxy(Feature::HttpProxy)]
#[case::basic_load_balancer_in_a_custom_vnet(Feature::BasicLoadBalancer)]
async fn a_cluster_has_either_the_feature_or_node_provisioning(lab: &Lab, #[case] feature: Feature) -> Outcome {
    lab.azure().ensure_group().await?;
    let request = cluster_with(lab, Auto, feature).await?.request();
    let refused = refusal_of(lab, &request).await;
    verify_guarded(lab, "a new cluster with it", refused.as_ref(), feature.property())?;
    let left = lab.azure().client().get(&request.0, CONTAINER_SERVICE).await.err().and_then(|error| error.status());
    lab.verify("the status of the cluster that was refused", Some(404), left)?;

    let cluster = cluster_with(lab, Manual, feature).await?.create().await?;
    cluster.apply(deployment("web").node_selector("kubernetes.io/os", "linux")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(3)).await?;
    let (mark, pod, before) = (cluster.mark(), cluster.pods_of("web"), lab.shown(&cluster).await?);

    let refused = lab.set_node_provisioning(&cluster, Auto).await.err();

    verify_guarded(lab, "an existing cluster with it", refused.as_ref(), feature.property())?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;
    cluster.expect(pods("web").kept(&pod)).throughout(seconds(30)).await?;
    cluster.expect(pods("web").kept(&pod).and(nodes().all_ready())).at_every_instant_since(&mark)?;
    cluster.expect(requests(VM_WRITE).none()).now()
}

/// LIM-15: once the feature is gone, node auto-provisioning comes: in a second request, and in the same one.
#[scenario]
#[case::cluster_autoscaler(Feature::ClusterAutoscaler, false)]
#[case::cluster_autoscaler_in_the_same_request(Feature::ClusterAutoscaler, true)]
#[case::custom_ca(Feature::CustomCa, false)]
#[case::http_proxy(Feature::HttpProxy, false)]
async fn a_lifted_limit_lets_node_provisioning_in(
    lab: &Lab,
    #[case] feature: Feature,
    #[case] at_once: bool,
) -> Outcome {
    let cluster = cluster_with(lab, Manual, feature).await?.create().await?;
    let refused = lab.set_node_provisioning(&cluster, Auto).await.err();
    verify_guarded(lab, "as long as it is there", refused.as_ref(), feature.property())?;

    if at_once {
        lab.update(&cluster, |properties| {
            feature.take_away(properties);
            properties["nodeProvisioningProfile"]["mode"] = json!("Auto");
        })
        .await?;
    } else {
        lab.update(&cluster, |properties| feature.take_away(properties)).await?;
        lab.set_node_provisioning(&cluster, Auto).await?;
    }

    provisions(&cluster, "p").await
}

/// LIM-15, LIM-03: once the last Windows pool is deleted, node auto-provisioning comes.
#[scenario]
async fn without_its_windows_pool_the_cluster_gets_node_provisioning(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, Manual, Feature::WindowsPool).await?.create().await?;
    let refused = lab.set_node_provisioning(&cluster, Auto).await.err();
    verify_guarded(lab, "as long as it is there", refused.as_ref(), "osType")?;
    cluster.expect(nodes().of_agent_pool("win1").count(1)).within(minutes(2)).await?;

    lab.azure().delete(&format!("{}/agentPools/win1", cluster.id()), CONTAINER_SERVICE).await?;
    cluster.expect(nodes().of_agent_pool("win1").none()).within(minutes(5)).await?;
    lab.set_node_provisioning(&cluster, Auto).await?;

    provisions(&cluster, "p").await
}
