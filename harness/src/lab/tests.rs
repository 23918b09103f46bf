//! What a scenario does in a lab.

use crate::expect::Kind;
use serde_json::json;

use super::Lab;
use crate::manifest::deployment;
use crate::report::ProgressWriter;
use crate::settings::Settings;

async fn lab() -> Lab {
    let settings = Settings::from_env().expect("the environment makes sense");
    Lab::start(settings, ProgressWriter::silent()).await.unwrap_or_else(|error| panic!("{}", error.explain()))
}

#[tokio::test]
async fn a_scenario_reads_what_it_wrote() {
    let lab = lab().await;
    let cluster = lab.managed_cluster().create().await.unwrap();
    cluster.apply(deployment("web")).await.unwrap();
    for replicas in [3, 1, 4, 1, 5, 9, 2, 6] {
        cluster.scale("web", replicas).await.unwrap();
        let state = cluster.state();
        let seen = state.object(Kind::Deployment, "web").map(|object| object["spec"]["replicas"].clone());
        lab.verify("replicas", Some(json!(replicas)), seen).unwrap();
    }
    // Twice the same changes nothing, so that no change is to be waited for.
    cluster.scale("web", 6).await.unwrap();
    cluster.delete(Kind::Deployment, "web").await.unwrap();
    lab.verify("the deployment is gone", true, cluster.state().object(Kind::Deployment, "web").is_none()).unwrap();
}
