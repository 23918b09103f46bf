//! What AKS looks at in a cluster before it lets node auto-provisioning be switched off.

use fake_arm::engine::NapState;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};

use crate::node::Quantity;

/// The nodes that node auto-provisioning made, by their label, and the node pools that may still make some.
pub(super) async fn nap_state(client: kube::Client) -> Result<NapState, kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list_metadata(&ListParams::default().labels("karpenter.sh/nodepool")).await?;
    let kind = GroupVersionKind::gvk("karpenter.sh", "v1", "NodePool");
    let pools: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, "nodepools"));
    let pools = match pools.list(&ListParams::default()).await {
        Ok(list) => list.items,
        // A cluster that never had node auto-provisioning does not know the kind.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error),
    };
    let unlimited = pools.iter().filter(|pool| !is_zero(&pool.data["spec"]["limits"]["cpu"]));
    Ok(NapState {
        nodes: nodes.items.iter().map(kube::ResourceExt::name_any).collect(),
        unlimited_node_pools: unlimited.map(kube::ResourceExt::name_any).collect(),
    })
}

/// A quantity of nothing, however it is written: `0`, `"0"`, `"0m"`, `"0.0"`.
fn is_zero(quantity: &serde_json::Value) -> bool {
    match quantity {
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        serde_json::Value::String(text) => {
            text.parse::<Quantity>().is_ok_and(|quantity| quantity == Quantity::units(0))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn zero_is_zero_in_every_spelling() {
        for zero in [json!(0), json!("0"), json!("0m"), json!("0.0")] {
            assert!(is_zero(&zero), "{zero}");
        }
        for more in [json!(null), json!(1), json!("1m"), json!("1000"), json!("nonsense")] {
            assert!(!is_zero(&more), "{more}");
        }
    }
}
