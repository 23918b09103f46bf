//! `catnap bench`: how long things take on this machine.

use clap::{Args, Subcommand};
use miette::{Result, miette};

use super::parts::PartsArgs;

const EXAMPLES: &str = "\
Examples:
  catnap bench lab                 times and memory of a lab, over ten repeats
  catnap bench lab --repeats 3";

/// Measure how long things take on this machine
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// From start to API server ready and provisioner reconciling, from pending pod to node Ready, memory of a lab
    #[command(after_help = EXAMPLES)]
    Lab(LabBenchArgs),
}

/// How to measure a lab.
#[derive(Debug, Args)]
pub struct LabBenchArgs {
    /// How often to measure
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Which real parts to use.
    #[command(flatten)]
    pub parts: PartsArgs,
}

/// Does what `catnap bench` asks for.
pub(super) async fn bench(args: BenchArgs) -> Result<u8> {
    let BenchCommand::Lab(args) = args.command;
    let _parts = args.parts.checked()?;
    Err(miette!(help = "use `catnap run`", "`catnap bench lab` cannot start a lab yet"))
}
