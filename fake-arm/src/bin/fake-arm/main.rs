//! `fake-arm`: a fake Azure on its own, for whatever speaks to Azure Resource Manager.

mod command_error;
mod flags;
mod greeting;
mod keeping;
mod running;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use flags::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Command::Serve(serve) = cli.command;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: failed to start threads: {error}");
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(running::serve(serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", error.message());
            ExitCode::from(2)
        }
    }
}
