//! The catnap command.

use std::process::ExitCode;

fn main() -> ExitCode {
    catnap::cli::main()
}
