//! `catnap up`: a lab to look around in.

use std::path::PathBuf;

use clap::Args;
use miette::{Result, miette};

use super::parts::PartsArgs;

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
    /// Where everything random comes from [default: drawn, and told]
    #[arg(long, value_name = "N", env = "CATNAP_SEED", hide_env_values = true)]
    pub seed: Option<u64>,
    /// Keep the lab's folder
    #[arg(long, env = "CATNAP_KEEP", hide_env_values = true)]
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
    let _parts = args.parts.checked()?;
    Err(miette!(help = "use `catnap run`", "`catnap up` cannot start a lab yet"))
}
