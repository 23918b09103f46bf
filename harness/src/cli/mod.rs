//! The command line: what can be asked for, and what is told when it cannot be had.

mod bench;
mod bench_clock;
mod bench_soak;
mod check;
mod clean;
mod components;
mod coverage;
mod diagnostics;
mod doctor;
mod interrupt;
mod mutants;
mod parts;
mod rights;
mod run;
mod sign_in;
mod up;

pub use bench::{BenchArgs, BenchCommand, LabBenchArgs};
use check::CheckArgs;
use clean::CleanArgs;
pub use components::ComponentsArgs;
use coverage::CoverageArgs;
pub use doctor::DoctorArgs;
pub use interrupt::Interrupts;
use mutants::MutantsArgs;
pub use parts::{PartsArgs, prepare_components};
pub use rights::RightsArgs;
pub use run::RunArgs;
pub use up::UpArgs;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Nothing could be run: the second of the two ways not to succeed.
const COULD_NOT_RUN: u8 = 2;

/// What is logged unless `CATNAP_LOG` says otherwise. The Kubernetes client logs each answer that is an error, also those
/// that are expected while an API server starts.
const QUIET: &str = "warn,kube_client=off";

const EXAMPLES: &str = "\
Examples:
  catnap run                       run every scenario
  catnap run --list                name every scenario
  catnap run custom_vnet           run one suite
  catnap up                        a lab to look around in
  catnap check --cluster ID        what is in the way of nodes in a subscription
  catnap rights                    what the provisioner needs in Azure

Exit status: 0 all passed, 1 a scenario failed, 2 scenarios could not be run.
From a clone, `cargo run --release --` stands for `catnap`.";

/// Chaos and acceptance tests for AKS node auto-provisioning: the real provisioner against a fake Azure.
#[derive(Debug, Parser)]
#[command(name = "catnap", version, after_help = EXAMPLES, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArgs),
    Up(UpArgs),
    Rights(RightsArgs),
    Check(CheckArgs),
    Coverage(CoverageArgs),
    // Said here: the parts that these two take have a comment of their own, which would stand instead.
    /// Say what works on this machine, what does not, and what to do about it
    Doctor(DoctorArgs),
    /// Fetch, list and remove the real parts that labs are made of
    Components(ComponentsArgs),
    Clean(CleanArgs),
    Mutants(MutantsArgs),
    Bench(BenchArgs),
}

/// Does what the command line asks for and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("CATNAP_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(QUIET));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    // Whoever installed one before has chosen.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: failed to start threads: {error}\nhelp: look at the limit of processes (`ulimit -u`)");
            return ExitCode::from(COULD_NOT_RUN);
        }
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args).await,
            Command::Up(args) => up::up(args).await,
            Command::Rights(args) => rights::rights(&args),
            Command::Check(args) => check::check(args).await,
            Command::Coverage(args) => coverage::coverage(args).await,
            Command::Doctor(args) => doctor::doctor(&args).await.map_err(parts::trouble),
            Command::Components(args) => components::components(&args).await.map_err(parts::trouble),
            Command::Clean(args) => clean::clean(&args).await,
            Command::Mutants(args) => mutants::mutants(args).await,
            Command::Bench(args) => bench::bench(args).await,
        }
    });
    // What still runs in the background (a build that was interrupted) has no say in when we end.
    runtime.shutdown_background();
    match done {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            diagnostics::tell(&trouble);
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }
}
