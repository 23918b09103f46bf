//! `catnap up`: a lab to look around in.

use clap::Args;

use crate::expect::{minutes, node_claims};
use crate::lab::{Cluster, Lab, NodeProvisioning, Settings};
use crate::manifest::{deployment, node_class, node_pool};
use crate::report::ProgressWriter;

/// Arguments of `catnap up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Replicas of the sample workload, each asking for one CPU.
    #[arg(long, default_value_t = 3)]
    replicas: u32,
    /// Let AKS's own node pools `default` and `system-surge` be there too.
    #[arg(long)]
    default_node_pools: bool,
}

/// Stands up a lab with a sample node pool and workload, says how to reach it, and shows its nodes until Ctrl-C.
///
/// # Errors
/// One sentence, where no lab can be stood up.
pub async fn run(args: UpArgs) -> Result<(), String> {
    let mut settings = Settings::from_env()?;
    settings.scenario = "up".into();
    println!("starting a lab …");
    let lab = Lab::start(settings, ProgressWriter::silent()).await.map_err(|error| error.explain())?.without_verdict();
    let up = tokio::select! {
        up = bring_up(&lab, &args) => up?,
        () = interrupted() => return Ok(()),
    };
    greet(&lab, &up).await?;
    tokio::select! {
        () = show(&up) => {}
        () = interrupted() => println!("\ntaking the lab down"),
    }
    Ok(())
}

async fn bring_up(lab: &Lab, args: &UpArgs) -> Result<Cluster, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let vnet =
        lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await.map_err(|error| text(&error))?;
    let subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await.map_err(|error| text(&error))?;
    let mut builder = lab
        .managed_cluster()
        .node_provisioning(NodeProvisioning::Auto)
        .subnet(&subnet)
        .service_cidr("10.2.0.0/16");
    if args.default_node_pools {
        builder = builder.default_node_pools();
    }
    let cluster = builder.create().await.map_err(|error| text(&error))?;
    cluster.apply(node_class("sample")).await.map_err(|error| text(&error))?;
    cluster.apply(node_pool("sample")).await.map_err(|error| text(&error))?;
    let workload = deployment("sample").replicas(args.replicas).cpu("1").on_pool("sample");
    cluster.apply(workload).await.map_err(|error| text(&error))?;
    let _ = cluster.expect(node_claims().at_most(usize::MAX)).within(minutes(1)).await;
    Ok(cluster)
}

async fn greet(lab: &Lab, cluster: &Cluster) -> Result<(), String> {
    let kubeconfig = lab.folder().join("kubeconfig");
    lab.write_kubeconfig(cluster, &kubeconfig).await?;
    let kubectl = lab.kubectl().map_or_else(|| "kubectl".to_owned(), |path| path.display().to_string());
    println!("
cluster      {id}
kubeconfig   {kubeconfig}
ARM          {arm}   (certificate authority: {ca})
logs         {logs}

  export KUBECONFIG={kubeconfig}
  {kubectl} get nodepools,nodeclaims,nodes
  {kubectl} scale deployment sample --replicas 10

Ctrl-C takes everything down.
",
        id = cluster.id(),
        kubeconfig = kubeconfig.display(),
        arm = lab.azure().client().endpoint(),
        ca = lab.azure_ca().display(),
        logs = lab.folder().join("logs").display(),
    );
    Ok(())
}

/// Prints a line whenever a node comes, goes or changes its readiness. Never returns.
async fn show(cluster: &Cluster) {
    let mut shown: Vec<String> = Vec::new();
    let mut changes = cluster.changes();
    loop {
        let state = cluster.state();
        let mut lines: Vec<String> = state.objects("Node").map(node_line).collect();
        lines.sort();
        if lines != shown {
            let now = state.at();
            println!("{}  {} nodes", now.strftime("%H:%M:%S"), lines.len());
            for line in &lines {
                println!("  {line}");
            }
            shown = lines;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn node_line(node: &serde_json::Value) -> String {
    let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or("-").to_owned();
    let ready = node["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
    let pool = match label("karpenter.sh/nodepool").as_str() {
        "-" => format!("fixed {}", label("kubernetes.azure.com/agentpool")),
        pool => format!("pool {pool}"),
    };
    format!(
        "{:<40} {:<9} {:<18} {pool}",
        node["metadata"]["name"].as_str().unwrap_or("?"),
        if ready { "Ready" } else { "NotReady" },
        label("node.kubernetes.io/instance-type"),
    )
}

/// Returns at Ctrl-C and SIGTERM.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
