//! Manifests with mistakes: each is met with one error that names object, place and remedy, and nothing of them is
//! applied in silence.

use catnap::prelude::*;

/// A node pool and its node class with `${KIND}` and `${FIELD}` to be filled in.
const POOL: &str = "\
apiVersion: karpenter.azure.com/v1beta1
kind: AKSNodeClass
metadata: { name: p }
spec: { osDiskSizeGB: 128 }
---
apiVersion: karpenter.sh/v1
kind: ${KIND}
metadata: { name: p }
spec:
  ${FIELD}: 10
  template:
    spec:
      nodeClassRef: { group: karpenter.azure.com, kind: AKSNodeClass, name: p }
      requirements: []
";

async fn cluster(lab: &Lab) -> Result<Cluster, Failure> {
    Ok(lab.managed_cluster().node_provisioning(Auto).create().await?)
}

/// Applies what must be refused and verifies that the error says all of `parts`.
async fn refused(lab: &Lab, cluster: &Cluster, manifests: Manifests, parts: &[&str]) -> Outcome {
    let text = cluster.apply(manifests).await.err().map(|error| error.to_string()).unwrap_or_default();
    for part in parts {
        lab.verify(&format!("{text:?} says {part:?}"), true, text.contains(part))?;
    }
    Ok(())
}

/// A manifest of a kind, or of a version of a kind, that the cluster does not know is refused, with its place.
#[scenario]
async fn a_manifest_of_an_unknown_kind_is_refused_with_its_place(lab: &Lab) -> Outcome {
    let cluster = cluster(lab).await?;
    let pool = |kind: &str| Manifests::text(POOL).with("KIND", kind).with("FIELD", "weight");

    let misspelt = ["NodePol p", "document 2 of the manifest", "no NodePol in karpenter.sh/v1", "check the spelling"];
    refused(lab, &cluster, pool("NodePol"), &misspelt).await?;
    let older = Manifests::text("{apiVersion: karpenter.sh/v1alpha5, kind: Provisioner, metadata: {name: p}}");
    let of_another_version =
        ["Provisioner p", "document 1 of", "no Provisioner in karpenter.sh/v1alpha5", "apiVersion"];
    refused(lab, &cluster, older, &of_another_version).await?;
    cluster.expect(node_pool("p").absent()).throughout(seconds(1)).await?;

    // The control: with the kind put right the same manifest is taken.
    cluster.apply(pool("NodePool")).await?;
    cluster.expect(node_pool("p").ready()).within(minutes(1)).await
}

/// A field that the kind does not have is an error and not silence, whichever way it is written.
#[scenario]
async fn an_unknown_field_is_an_error_and_not_silence(lab: &Lab) -> Outcome {
    let cluster = cluster(lab).await?;
    let pool = |field: &str| Manifests::text(POOL).with("KIND", "NodePool").with("FIELD", field);

    let unknown = ["apply NodePool p", "document 2 of", "spec.wieght is no field of NodePool", "check its spelling"];
    refused(lab, &cluster, pool("wieght"), &unknown).await?;
    cluster.expect(node_pool("p").absent()).throughout(seconds(1)).await?;

    // The control: with the field put right the same manifest is taken, and a patch is read as strictly.
    cluster.apply(pool("weight")).await?;
    cluster.expect(node_pool("p").ready()).within(minutes(1)).await?;
    let patch = serde_json::json!({ "spec": { "wieght": 20 } });
    let error = cluster.patch(Kind::NodePool, "p", &patch).await.err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    let named = text.contains("patch NodePool p: spec.wieght is no field of NodePool in karpenter.sh/v1");
    lab.verify(&format!("{text:?} names the field"), true, named)
}
