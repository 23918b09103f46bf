//! `catnap coverage`: which statements of the documents are proven by which scenarios.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use miette::{IntoDiagnostic, Result, miette};
use serde::Serialize;

use super::parts::PartsArgs;
use super::run::find_suites;
use crate::coverage::{Claims, Coverage, Row, last_results};
use crate::report::{Facts, Palette};
use crate::runner::list;
use workspace::Workspace;

const EXAMPLES: &str = "\
A FILTER is the name of a suite (drift), the id of a claim (DRIFT-01) or the beginning of one (DRIFT).

Each claim is printed with the scenarios that name it and what they came to when `catnap run` ran them last with these real
parts (those that it takes without options, unless others are named), or with the reason why it has none. A scenario names
its claims at the beginning of its doc comment; reasons stand in suites/uncovered.yaml, the claims themselves in
suites/claims.yaml.

Examples:
  catnap coverage                              all claims, by suite
  catnap coverage drift                        those of one suite
  catnap coverage --uncovered                  those without a scenario, with the reasons
  catnap coverage --provisioner-version 1.6.3  what scenarios came to with another provisioner
  catnap coverage --json > coverage.json       for programs

Exit status:
  0  every claim has a scenario or a reason
  1  one has neither, or both, or a scenario names a claim that there is not
  2  the suites cannot be read";

/// Print which statements of the documents are proven by which scenarios
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CoverageArgs {
    /// A suite, a claim, or the beginning of a claim's id
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Print claims without a scenario alone
    #[arg(long)]
    uncovered: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Folder of built suites, instead of building them
    #[arg(long, value_name = "DIR")]
    suites: Option<PathBuf>,
    /// Do not build the suites; take those that are there
    #[arg(long)]
    no_build: bool,
    /// Folder whose runs say what scenarios came to [default: that in which `catnap run` keeps its runs]
    #[arg(long, value_name = "DIR")]
    artefacts: Option<PathBuf>,
    #[command(flatten)]
    parts: PartsArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Known<'a> {
    /// The real parts of the runs that say what scenarios came to.
    parts: BTreeMap<&'a str, &'a str>,
    #[serde(flatten)]
    coverage: &'a Coverage,
}

/// Does what `catnap coverage` asks for.
pub(super) async fn coverage(args: CoverageArgs) -> Result<u8> {
    let parts = args.parts.checked()?.facts();
    let claims = Claims::of_this_build().into_diagnostic()?;
    let workspace = Workspace::locate();
    let suites = find_suites(&workspace, args.suites.as_deref(), args.no_build).await?;
    let scenarios = list(&suites).await?;
    let runs = args
        .artefacts
        .unwrap_or_else(|| workspace.map_or_else(|_| PathBuf::from("artefacts"), |found| found.target.join("catnap")));
    let named = scenarios.iter().map(|scenario| (scenario.id.to_string(), Some(scenario.doc())));
    let with = told(&parts);
    let last = last_results(&runs, &parts);
    if last.is_empty() {
        eprintln!("note: no scenario was run with {with} yet, by what is kept in {}", runs.display());
    }
    let mut coverage = Coverage::of(&claims, named, &last);
    let code = u8::from(!coverage.problems.is_empty());

    let asked = |row: &Row| {
        args.filters.is_empty()
            || args.filters.iter().any(|filter| row.claim.suite == *filter || row.claim.id.starts_with(filter.as_str()))
    };
    coverage.rows.retain(|row| (row.scenarios.is_empty() || !args.uncovered) && asked(row));
    if coverage.rows.is_empty() && !args.uncovered {
        return Err(miette!(
            help = "take the name of a suite (drift), the id of a claim (DRIFT-01) or the beginning of one; without a FILTER all are printed",
            "no claim is called {}",
            args.filters.join(" or ")
        ));
    }
    let text = if args.json {
        let known = Known { parts: parts.iter().collect(), coverage: &coverage };
        format!("{}\n", serde_json::to_string_pretty(&known).into_diagnostic()?)
    } else {
        render(&coverage, &with, args.uncovered, Palette::of(&std::io::stdout()))
    };
    // The one who reads may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(code)
}

/// `karpenter-azure 1.7.1 and kubernetes 1.34.4`.
fn told(parts: &Facts) -> String {
    let parts: Vec<_> = parts.iter().map(|(name, value)| format!("{name} {value}")).collect();
    parts.join(" and ")
}

fn render(coverage: &Coverage, with: &str, uncovered: bool, palette: Palette) -> String {
    let mut text = String::new();
    let mut suite = "";
    for row in &coverage.rows {
        if row.claim.suite != suite {
            suite = &row.claim.suite;
            let _ = writeln!(text, "\n{}\n", palette.heading(suite));
        }
        let by: Vec<String> = row.claim.by.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "  {}  {}  {}", row.claim.id, row.claim.claim, palette.faint(&by.join("+")));
        for proof in &row.scenarios {
            let result = match proof.result.as_deref() {
                Some("passed") => palette.good("passed"),
                Some(bad @ ("failed" | "could not run")) => palette.bad(bad),
                Some(other) => palette.caution(other),
                None => palette.faint("not run"),
            };
            let _ = writeln!(text, "    {}  {result}", proof.scenario);
        }
        if let Some(reason) = &row.reason {
            let _ = writeln!(text, "    {}  {reason}", palette.caution("none"));
        }
    }
    if !coverage.problems.is_empty() {
        let _ = writeln!(text, "\n{}\n", palette.heading("to be put right"));
        for problem in &coverage.problems {
            let _ = writeln!(text, "  {}", palette.bad(problem));
        }
    }
    if !uncovered {
        let (all, covered, proven) = coverage.count();
        let percent = |part: usize| (part * 100).checked_div(all).unwrap_or(0);
        let _ = writeln!(
            text,
            "\n{} claims, {all} of them to be tested: {covered} with a scenario ({} %), {proven} with one that passed last with {with} ({} %)",
            coverage.rows.len(),
            percent(covered),
            percent(proven),
        );
    }
    text
}
