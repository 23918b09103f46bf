//! `catnap mutants`: whether scenarios catch variants of the provisioner and of fake-arm that have one fault each.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use tokio::process::Command;

use super::interrupt::Interrupts;
use crate::coverage::results_in;
use crate::mutants::{Built, Mutant, MutantBuilder};
use crate::report::Palette;
use components::Versions;
use workspace::Workspace;

const EXAMPLES: &str = "\
A variant is a file ci/mutants/NAME.patch. First the scenarios that are to catch variants run without
any fault; all must pass, else nothing is proven. Then each variant is built and its scenario runs with
it, and must fail. The first variant takes minutes to build, each further one about half a minute; those
of fake-arm, which are built with cargo, about a minute.

Examples:
  catnap mutants                             all variants
  catnap mutants ignores-budgets             one
  catnap mutants --list                      their names, what is wrong with them, what catches them
  catnap mutants --build ignores-budgets     print the path of its program, for `catnap run --provisioner`

Exit status:
  0  every variant is caught
  1  one is not, or a scenario fails without a fault
  2  one cannot be built or run";

/// Check that scenarios fail with variants of the provisioner and of fake-arm that have one fault each
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MutantsArgs {
    /// Variants; all where none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Name them, do not run them
    #[arg(long)]
    list: bool,
    /// Build them and print the paths of their programs, do not run them
    #[arg(long, conflicts_with = "list")]
    build: bool,
}

/// Does what `catnap mutants` asks for.
pub(super) async fn mutants(args: MutantsArgs) -> Result<u8> {
    let workspace = Workspace::locate().map_err(|why| {
        miette!(help = "variants are built from a clone: `cargo run --release -- mutants`", "there is no clone: {why}")
    })?;
    let builder = MutantBuilder::new(workspace, &Versions::default().provisioner);
    let mutants = Mutant::load(&builder.variants(), &args.names)?;
    let palette = Palette::of(&std::io::stdout());
    if args.list {
        let mut out = std::io::stdout().lock();
        for Mutant { name, what, caught_by, .. } in &mutants {
            // The one who reads has enough.
            if writeln!(out, "{name}\t{what}\t{caught_by}").is_err() {
                break;
            }
        }
        return Ok(0);
    }
    let interrupts = Interrupts::listen().into_diagnostic().wrap_err("failed to listen to signals")?;
    let work = async {
        if args.build {
            return build(&builder, &mutants).await;
        }
        run(&builder, &mutants, palette).await
    };
    // What was started ends with the future that started it.
    tokio::select! {
        done = work => done,
        () = interrupts.first() => Ok(interrupts.exit_code().unwrap_or(2)),
    }
}

async fn build(builder: &MutantBuilder, mutants: &[Mutant]) -> Result<u8> {
    for mutant in mutants {
        let (Built::Provisioner(path) | Built::Catnap(path)) = builder.build(mutant).await?;
        println!("{}", path.display());
    }
    Ok(0)
}

async fn run(builder: &MutantBuilder, mutants: &[Mutant], palette: Palette) -> Result<u8> {
    let own = std::env::current_exe().into_diagnostic()?;
    let scratch = tempfile::tempdir().into_diagnostic()?;
    println!("{}", palette.heading("without a fault"));
    let mut control = Command::new(&own);
    control.arg("run").args(mutants.iter().map(|mutant| &mutant.caught_by));
    control.arg("--artefacts").arg(scratch.path());
    // It builds the suites, says so, and what it comes to is shown as it is.
    let code = control.stdin(Stdio::null()).kill_on_drop(true).status().await.into_diagnostic()?.code();
    if code != Some(0) {
        println!("{}", palette.bad("a scenario does not pass without a fault; so it proves nothing"));
        return Ok(if code == Some(1) { 1 } else { 2 });
    }

    let (mut caught, mut missed, mut troubled) = (0_usize, 0_usize, 0_usize);
    for mutant in mutants {
        println!("\n{}  {}", palette.heading(&mutant.name), mutant.what);
        match one(builder, mutant, &own).await {
            Ok(Catch::Caught(failures)) => {
                caught += 1;
                for (scenario, message) in failures {
                    println!("  {} {scenario}\n    {}", palette.good("caught by"), palette.faint(&message));
                }
            }
            Ok(Catch::Missed) => {
                missed += 1;
                println!("  {} {}", palette.bad("NOT caught by"), mutant.caught_by);
            }
            Ok(Catch::Unclear(log)) => {
                troubled += 1;
                println!("  {}; see {}", palette.bad("could not run"), log.display());
            }
            Err(trouble) => {
                troubled += 1;
                println!("  {} {trouble}", palette.bad("could not be tried:"));
                if let Some(help) = trouble.help() {
                    println!("  {} {help}", palette.caution("help:"));
                }
            }
        }
    }
    let summary = format!("{caught} caught, {missed} not caught, {troubled} could not be tried");
    println!("\n{}", if missed + troubled == 0 { palette.good(&summary) } else { palette.bad(&summary) });
    Ok(if missed > 0 { 1 } else { 2 * u8::from(troubled > 0) })
}

/// What became of a variant.
enum Catch {
    /// These scenarios failed, each with its message.
    Caught(Vec<(String, String)>),
    /// None did.
    Missed,
    /// The run says neither; its output is there.
    Unclear(PathBuf),
}

async fn one(builder: &MutantBuilder, mutant: &Mutant, own: &Path) -> Result<Catch> {
    let built = builder.build(mutant).await?;
    let folder = builder.folder_of(mutant);
    let artefacts = folder.join("artefacts");
    // What an earlier run left would be read as this one's.
    if artefacts.exists() {
        std::fs::remove_dir_all(&artefacts).into_diagnostic()?;
    }
    let mut run = match &built {
        Built::Provisioner(provisioner) => {
            let mut run = Command::new(own);
            run.args(["run", "--no-build", "--provisioner"]).arg(provisioner);
            run
        }
        Built::Catnap(catnap) => {
            let mut run = Command::new(catnap);
            run.arg("run");
            run
        }
    };
    let log = folder.join("run.log");
    let output = std::fs::File::create(&log).into_diagnostic()?;
    run.arg(&mutant.caught_by).arg("--artefacts").arg(&artefacts);
    run.stdin(Stdio::null()).stdout(output.try_clone().into_diagnostic()?).stderr(output).kill_on_drop(true);
    let code = run.status().await.into_diagnostic()?.code();
    let failed = results_in(&artefacts).into_iter().filter(|result| result.result == "failed");
    let failed: Vec<_> = failed.map(|result| (result.scenario, result.message)).collect();
    Ok(match code {
        Some(1) if !failed.is_empty() => Catch::Caught(failed),
        Some(0) => Catch::Missed,
        _ => Catch::Unclear(log),
    })
}
