//! `catnap up`: a lab to look around in.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use miette::{Result, miette};

use super::Interrupts;
use super::parts::{PartsArgs, prepare_components};
use crate::expect::Kind;
use crate::lab::{Cluster, Lab, NodeProvisioning};
use crate::manifest::{deployment, node_class, node_pool};
use crate::object::is_true;
use crate::report::ProgressWriter;
use crate::target::Tenant;

const EXAMPLES: &str = "\
Prints the path of a kubeconfig, the ARM endpoint and how to point kubectl at the cluster, then shows
nodes as they come and go until Ctrl-C, which takes everything down.

Examples:
  catnap up                                    a cluster with a node pool and a workload that needs a node
  catnap up --empty                            without node pool and workload
  catnap up --provisioner ./karpenter          with a provisioner of your own
  catnap up --artefacts lab                    logs and history to ./lab";

/// Start a lab with a sample node pool and workload, and show its nodes until Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct UpArgs {
    /// Leave out the sample node pool and workload
    #[arg(long)]
    pub empty: bool,
    /// Let the node pools be there that AKS makes by default, `default` and `system-surge`
    #[arg(long)]
    pub default_node_pools: bool,
    /// Where everything random comes from [default: drawn, and told]
    #[arg(long, value_name = "N", env = "CATNAP_SEED", hide_env_values = true)]
    pub seed: Option<u64>,
    /// Keep the lab's folder
    #[arg(long, env = "CATNAP_KEEP", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub keep: bool,
    /// Folder for logs and history [default: a new one for temporary files]
    #[arg(long, value_name = "DIR", env = "CATNAP_ARTEFACTS", hide_env_values = true)]
    pub artefacts: Option<PathBuf>,
    /// Which real parts to use.
    #[command(flatten)]
    pub parts: PartsArgs,
}

/// Does what `catnap up` asks for.
pub(super) async fn up(args: UpArgs) -> Result<u8> {
    let parts = args.parts.clone().checked()?;
    let interrupts = Interrupts::listen().map_err(|error| miette!("failed to listen to signals: {error}"))?;
    prepare_components(&parts).await?;
    let mut settings = parts.settings("up").map_err(|reason| miette!("{reason}"))?;
    settings.keep |= args.keep;
    settings.seed = args.seed.unwrap_or(settings.seed);
    settings.artefacts = args.artefacts.clone().or(settings.artefacts);
    println!("starting a lab with seed {}", settings.seed);
    let mut start = std::pin::pin!(Lab::start(settings, ProgressWriter::silent()));
    let started = tokio::select! {
        started = &mut start => started,
        // It may wait long for a place among other labs. What it has begun ends with this process.
        () = interrupts.first() => std::process::exit(interrupts.exit_code().unwrap_or(2).into()),
    };
    let lab = started.map_err(|error| miette!("failed to start a lab: {}", error.explain()))?;
    let work = async {
        let cluster = bring_up(&lab, &args).await?;
        greet(&lab, &cluster).await?;
        show(&cluster).await;
        Ok(())
    };
    tokio::select! {
        ended = work => ended.map_err(|reason: String| miette!("failed to bring the cluster up: {reason}"))?,
        () = interrupts.first() => drop(std::io::stdout().write_all(b"\ntaking the lab down\n")),
    }
    Ok(0)
}

async fn bring_up(lab: &Lab, args: &UpArgs) -> std::result::Result<Cluster, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let vnet =
        lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await.map_err(|error| text(&error))?;
    let subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await.map_err(|error| text(&error))?;
    // As the documents have it for a network of one's own: an identity with rights on it, before the cluster.
    let identity = lab.azure().identity("my-aks-identity").create().await.map_err(|error| text(&error))?;
    let network = lab.azure().role("Network Contributor").on(&vnet).to(&identity);
    network.assign().await.map_err(|error| text(&error))?;
    let mut builder = lab
        .managed_cluster()
        .node_provisioning(NodeProvisioning::Auto)
        .identity(&identity)
        .subnet(&subnet)
        .service_cidr("10.2.0.0/16");
    if args.default_node_pools {
        builder = builder.default_node_pools();
    }
    let cluster = builder.create().await.map_err(|error| text(&error))?;
    if args.empty {
        return Ok(cluster);
    }
    cluster.apply(node_class("sample")).await.map_err(|error| text(&error))?;
    cluster.apply(node_pool("sample")).await.map_err(|error| text(&error))?;
    let workload = deployment("sample").replicas(3).cpu("1").on_pool("sample");
    cluster.apply(workload).await.map_err(|error| text(&error))?;
    Ok(cluster)
}

async fn greet(lab: &Lab, cluster: &Cluster) -> std::result::Result<(), String> {
    let kubeconfig = lab.folder().join("kubeconfig");
    lab.write_kubeconfig(cluster, &kubeconfig).await?;
    let kubectl = lab.kubectl().map_or_else(|| "kubectl".to_owned(), |path| path.display().to_string());
    let owner = lab.require::<Tenant>().map_err(|failure| failure.to_string())?.owner("catnap-up");
    println!(
        "
cluster      {id}
kubeconfig   {kubeconfig}
ARM          {arm}   (certificate authority: {ca})
logs         {logs}

  export KUBECONFIG={kubeconfig}
  {kubectl} get nodepools,nodeclaims,nodes
  {kubectl} scale deployment sample --replicas 10

As an owner of its subscription, for Azure's SDKs, `catnap check` and `catnap run --target azure`:

  export CATNAP_ARM_ENDPOINT={arm} CATNAP_ARM_CA={ca}
  export AZURE_SUBSCRIPTION_ID={subscription} AZURE_TENANT_ID={tenant}
  export AZURE_CLIENT_ID={client} AZURE_CLIENT_SECRET={secret} AZURE_AUTHORITY_HOST={authority}

Ctrl-C takes everything down.
",
        id = cluster.id(),
        kubeconfig = kubeconfig.display(),
        arm = lab.azure().client().endpoint(),
        ca = lab.azure_ca().map_or_else(|| "the system's".to_owned(), |path| path.display().to_string()),
        logs = lab.folder().join("logs").display(),
        subscription = lab.azure().subscription_id(),
        tenant = owner.tenant,
        client = owner.client,
        secret = owner.secret,
        authority = owner.authority,
    );
    Ok(())
}

/// Prints a line whenever a node comes, goes or changes its readiness. Never returns.
async fn show(cluster: &Cluster) {
    let mut shown: Vec<String> = Vec::new();
    let mut changes = cluster.changes();
    loop {
        let state = cluster.state();
        let mut lines: Vec<String> = state.objects(Kind::Node).map(node_line).collect();
        lines.sort();
        if lines != shown {
            let now = state.at();
            let told: String = lines.iter().map(|line| format!("  {line}\n")).collect();
            let head = format!("{}  {} nodes\n", now.strftime("%H:%M:%S"), lines.len());
            // The one who reads may have gone; the lab is there for others too.
            let _ = std::io::stdout().write_all((head + &told).as_bytes());
            shown = lines;
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn node_line(node: &serde_json::Value) -> String {
    let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or("-").to_owned();
    let pool = match label("karpenter.sh/nodepool").as_str() {
        "-" => format!("fixed {}", label("kubernetes.azure.com/agentpool")),
        pool => format!("pool {pool}"),
    };
    format!(
        "{:<40} {:<9} {:<18} {pool}",
        node["metadata"]["name"].as_str().unwrap_or("?"),
        if is_true(node, "Ready") { "Ready" } else { "NotReady" },
        label("node.kubernetes.io/instance-type"),
    )
}
