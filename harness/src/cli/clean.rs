//! `catnap clean`: removes what runs have left that are no more.

use std::io::Write;

use clap::Args;
use miette::{Result, miette};

use crate::cluster::kind::{KindTools, remains};

/// Remove clusters of kind that a run has left which died; what runs now is left alone
#[derive(Debug, Args)]
#[command(
    after_help = "A run takes its clusters along, also when it is killed. What can be left is what a machine that lost
power had.

Examples:
  catnap clean --list      what there is
  catnap clean             the same, and remove it

Exit status: 0 nothing is left, 2 something could not be looked for or removed."
)]
pub(super) struct CleanArgs {
    /// Name what is left, do not remove it
    #[arg(long)]
    list: bool,
}

/// Runs `catnap clean`.
pub(super) async fn clean(arguments: &CleanArgs) -> Result<u8> {
    let trouble = |error: crate::cluster::kind::KindError| miette!("{error}");
    let tools = KindTools::find().await.map_err(trouble)?;
    let left = remains(&tools).await.map_err(trouble)?;
    let mut out = std::io::stdout();
    if left.clusters.is_empty() {
        let _ = writeln!(out, "nothing is left of runs that are no more");
        return Ok(0);
    }
    let _ = writeln!(out, "left of runs that are no more:");
    for cluster in &left.clusters {
        let _ = writeln!(out, "  cluster of kind {cluster}");
    }
    if !arguments.list {
        left.remove(&tools).await.map_err(trouble)?;
        let _ = writeln!(out, "removed");
    }
    Ok(0)
}
