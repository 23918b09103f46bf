//! `catnap run`: runs scenarios.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use jiff::{SignedDuration, Timestamp};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use tokio::sync::watch;
use workspace::{Building, Workspace};

use super::interrupt::Interrupts;
use super::parts::{MatrixArgs, PartsArgs, are_at_hand, build_components, prepare_components};
use components::FetchDisplay;

use crate::clock::ClockKind;
use crate::cluster::pool::RunLender;
use crate::coverage::Results;
use crate::report::{
    Counts, JunitFiles, Keeper, Live, Palette, Plain, Reporter, Reporters, Summary, quoted, runner_command,
};
use crate::runner::{
    Order, Outcome, Parts, Plan, RunFolder, RunnerError, Scenario, Suite, SuiteFolder, build, list, make_writable,
    select,
};
use crate::target::{self, Target};

/// How long a scenario that has to end may take to clean up.
const GRACE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
A FILTER is the name of a scenario (custom_vnet::a_vnet_with_two_subnets_can_be_created), the name of a
suite (custom_vnet), or a part of a name (subnet). Several select whatever one of them selects.

Those that took longest start first, by the runs that are kept beside this one, so that no long one is
left for the end; those that have not run yet come before them. The end names the slowest and the dearest
scenarios, by the core-seconds (CPU time) of their processes, and tells what all cost together.

Examples:
  catnap run                                   every scenario
  catnap run --list                            their names, and what they are about
  catnap run custom_vnet                       one suite
  catnap run budget do_not_disrupt             all whose name holds one of these words
  catnap run --junit results                   JUnit files to results/TEST-<suite>.<scenario>.xml
  catnap run --jobs 4 --seed 42                four at a time, everything random drawn from 42
  catnap run --provisioner ./karpenter         a provisioner of your own
  catnap run --target kind custom_vnet         on clusters of kind, in containers on this machine
  catnap run --target azure custom_vnet        in an Azure elsewhere, which `catnap up` can be
  catnap run --clock real --patience 20m       nothing is sped up, waits of up to 20 minutes are waited
  catnap run --kubernetes 1.33.13 --provisioner-version 1.6.3
  catnap run --kubernetes 1.33.13 --kubernetes 1.34.4 --provisioner-version 1.6.3 --provisioner-version 1.7.1
                                               each with each, one after the other

Exit status:
  0  all scenarios passed (or were skipped, with the reason)
  1  a scenario failed
  2  scenarios could not be run: nothing selected, no Go, a component that does not build, …
  130, 143  interrupted by Ctrl-C, by SIGTERM; what was recorded until then is kept";

/// Run scenarios: all of them, or those that a FILTER selects
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// A scenario, a suite, or a part of a name
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Name the scenarios, do not run them
    #[arg(long)]
    list: bool,
    /// Folder for JUnit files, one for each scenario [default: junit in the artefacts]
    #[arg(long, value_name = "DIR", env = "CATNAP_JUNIT", hide_env_values = true)]
    junit: Option<PathBuf>,
    /// Where scenarios run: embedded, kind, azure; `catnap doctor` says what each is and can do [default: embedded]
    #[arg(long, value_name = "TARGET", env = "CATNAP_TARGET", hide_env_values = true, value_parser = target)]
    target: Option<&'static dyn Target>,
    /// Scenarios that run at a time [default: as processors and memory allow; more with a real clock]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// Where everything random comes from [default: drawn, and told]
    #[arg(long, value_name = "N", env = "CATNAP_SEED", hide_env_values = true)]
    seed: Option<u64>,
    /// Keep the folders of labs whose scenario passed
    #[arg(long, env = "CATNAP_KEEP", hide_env_values = true, value_parser = FalseyValueParser::new())]
    keep: bool,
    /// Folder for what the run records [default: a new one in target/catnap or artefacts]
    #[arg(long, value_name = "DIR", env = "CATNAP_ARTEFACTS", hide_env_values = true)]
    artefacts: Option<PathBuf>,
    /// How long a scenario may take: 90s, 15m, 1h
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = time)]
    timeout: Duration,
    /// movable: time moves on while scenarios wait; real: every wait takes its time [default: movable, where the
    /// machine lets it]
    #[arg(long, value_name = "CLOCK", env = "CATNAP_CLOCK", hide_env_values = true, value_parser = clock)]
    clock: Option<ClockKind>,
    /// With a real clock: how long a scenario may have to wait; one that needs longer is skipped [default: 5m]
    #[arg(long, value_name = "TIME", env = "CATNAP_PATIENCE", hide_env_values = true, value_parser = time)]
    patience: Option<Duration>,
    /// In which order scenarios start: longest-first, listed or reversed
    #[arg(long, value_name = "ORDER", default_value = "longest-first", value_parser = order)]
    order: Order,
    /// Make control planes for each scenario instead of emptying and using those that others have left
    #[arg(long, env = "CATNAP_FRESH_CLUSTERS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    fresh_clusters: bool,
    /// Run the suites as they were last built
    #[arg(long)]
    no_build: bool,
    /// Folder of built suites [default: catnap-suites beside the executable]
    #[arg(long, value_name = "DIR", env = "CATNAP_SUITES", hide_env_values = true)]
    suites: Option<PathBuf>,
    #[command(flatten)]
    parts: MatrixArgs,
}

fn target(text: &str) -> Result<&'static dyn Target, String> {
    target::named(Some(text)).map_err(|error| error.to_string())
}

fn jobs(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|jobs| *jobs > 0).ok_or_else(|| "give a number of scenarios, at least 1".to_owned())
}

fn clock(text: &str) -> Result<ClockKind, String> {
    text.parse()
}

fn order(text: &str) -> Result<Order, String> {
    text.parse()
}

fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "give a time such as 90s, 15m or 1h30m".to_owned();
    let time: SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(time).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// Does what `catnap run` asks for.
pub(super) async fn run(args: RunArgs) -> Result<u8> {
    let order = args.order;
    let interrupts = Interrupts::listen().into_diagnostic().wrap_err("failed to listen to signals")?;
    let prepared = tokio::select! {
        prepared = prepare(args) => prepared?,
        () = interrupts.first() => return Ok(interrupts.exit_code().unwrap_or(2)),
    };
    let Some((plans, palette)) = prepared else { return Ok(0) };
    let several = plans.len() > 1;
    let mut all_counts: Vec<(String, Counts)> = Vec::new();
    let mut code = 0;
    for Labelled { label, mut plan, junit, above, to_be_built } in plans {
        // Also the combination before this one tells how long scenarios take.
        let whole = above.as_ref().map_or(plan.folder.path(), |above| above.path());
        plan.scenarios = order.of(plan.scenarios, whole.parent().unwrap_or(whole), &plan.facts);
        if several {
            // The one who reads may have gone; the status still tells how it went.
            let _ = writeln!(std::io::stdout(), "\n{}\n", palette.heading(&label));
        }
        let (outcome, text, built) = one_run(plan, junit, to_be_built, &interrupts, palette).await?;
        let _ = std::io::stdout().write_all(text.as_bytes());
        // What could be run was, and is told; but the rest could not.
        built?;
        all_counts.push((label, Counts::of(outcome.reports.iter().map(|report| &report.verdict))));
        code = worse(code, outcome.exit_code());
        if let Some(interrupted) = interrupts.exit_code() {
            code = interrupted;
            break;
        }
    }
    if several {
        let _ = std::io::stdout().write_all(side_by_side(&all_counts, palette).as_bytes());
    }
    Ok(code)
}

/// A failure weighs more than something that could not run, as within one run.
fn worse(one: u8, other: u8) -> u8 {
    if one == 1 || other == 1 { 1 } else { one.max(other) }
}

/// Who tells of a run, those who keep files before the one that shows it.
fn reporters(plan: &Plan, junit: &Path, palette: Palette) -> Reporters<'static> {
    let run = plan.folder.path();
    // What is still being built tells its progress in lines, which would tear a moving display apart.
    let is_alone = plan.parts.is_none();
    let display: Box<dyn Reporter> = if is_alone && std::io::stdout().is_terminal() && std::io::stderr().is_terminal() {
        Box::new(Live::new(palette))
    } else {
        Box::new(Plain::new(std::io::stdout(), palette))
    };
    Reporters::new(vec![
        Box::new(JunitFiles::into_folder(junit.to_path_buf())),
        Box::new(Results::of(run)),
        Box::new(Keeper::of(run)),
        display,
    ])
}

/// Runs one plan, with JUnit files in the folder `junit`, and beside it builds what its clusters are still to be made of;
/// what it came to, what is told of that, and whether everything could be built.
async fn one_run(
    mut plan: Plan,
    junit: PathBuf,
    to_be_built: Option<PartsArgs>,
    interrupts: &Interrupts,
    palette: Palette,
) -> Result<(Outcome, String, Result<()>)> {
    let lender = lender(&plan).await?;
    plan.lender = lender.as_ref().map(|lender| lender.name().to_owned());
    // Who borrows from nobody is not to keep for nobody either.
    plan.fresh_clusters |= plan.lender.is_none();
    let (seed, artefacts) = (plan.seed, plan.folder.path().to_path_buf());
    make_writable(&junit)?;
    let (told, parts) = watch::channel(Parts::InTheMaking);
    plan.parts = to_be_built.as_ref().map(|_| parts);
    let reporters = reporters(&plan, &junit, palette);
    let mut built = Ok(());
    let build = async {
        if let Some(parts) = &to_be_built {
            built = build_components(parts, &FetchDisplay::lines()).await;
            let _ = told.send(if built.is_ok() { Parts::Ready } else { Parts::Missing });
        }
        std::future::pending().await
    };
    let outcome = tokio::select! {
        outcome = plan.run(reporters, interrupts.stop()) => outcome?,
        never = build => never,
    };
    let clusters = match lender {
        Some(lender) => Some(lender.close().await),
        None => None,
    };
    let summary = Summary {
        reports: &outcome.reports,
        not_started: outcome.not_started,
        seed,
        artefacts,
        junit,
        took: outcome.took,
        clusters,
    };
    let text = summary.render(palette);
    Ok((outcome, text, built))
}

/// Whoever lends clusters to the scenarios of a plan; `None` where each makes its own.
async fn lender(plan: &Plan) -> Result<Option<Box<dyn RunLender>>> {
    if plan.fresh_clusters {
        return Ok(None);
    }
    let target = target::named(plan.target.as_deref()).into_diagnostic()?;
    target.lender(plan.scenarios.len(), plan.jobs).await.map_err(|error| {
        miette!(
            help = "with --fresh-clusters each scenario makes clusters of its own",
            "failed to begin to lend clusters: {error}"
        )
    })
}

/// How the combinations of versions came off, a line for each.
fn side_by_side(all_counts: &[(String, Counts)], palette: Palette) -> String {
    let width = all_counts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let mut text = String::from("\n");
    for (label, counts) in all_counts {
        let mut said = format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped);
        if let Some(faults) = counts.told_known_faults() {
            said += &format!(", {faults}");
        }
        if counts.could_not_run > 0 {
            said += &format!(", {} could not run", counts.could_not_run);
        }
        let said = if counts.exit_code() == 0 { palette.good(&said) } else { palette.bad(&said) };
        text += &format!("{label:width$}  {said}\n");
    }
    text
}

/// A run with one combination of versions. It holds the folder above its own against other runs.
struct Labelled {
    label: String,
    plan: Plan,
    /// Where JUnit files go.
    junit: PathBuf,
    above: Option<Arc<RunFolder>>,
    /// Parts that are to be built while scenarios run that do without them.
    to_be_built: Option<PartsArgs>,
}

/// Finds out what there is to run and makes everything ready for it; `None` when it was only to be listed.
async fn prepare(args: RunArgs) -> Result<Option<(Vec<Labelled>, Palette)>> {
    let palette = Palette::of(&std::io::stdout());
    let combinations = args.parts.combinations()?;
    let target = args.target.map_or_else(|| target::named(None), Ok).into_diagnostic()?;
    if !args.list {
        // Before anything takes long.
        let versions: Vec<String> = combinations.iter().map(|parts| parts.versions().kubernetes).collect();
        target.check(&versions).await.map_err(|why| miette!("there is no target {} here: {why}", target.name()))?;
    }
    let workspace = Workspace::locate();
    let suites = find_suites(&workspace, args.suites.as_deref(), args.no_build).await?;
    let scenarios = select(list(&suites).await?, &args.filters)?;
    if args.list {
        show_list(&scenarios, palette);
        return Ok(None);
    }

    // Folders that the user names are tried before anything takes long.
    let named = args.artefacts.as_deref().map(RunFolder::at).transpose()?;
    let junit = args.junit.as_ref().map(std::path::absolute).transpose().into_diagnostic()?;
    if let Some(junit) = &junit {
        make_writable(junit)?;
    }
    let mut to_be_built = None;
    if target.is_built_here() {
        // So that a version that there is not ends the run before its first scenario.
        match &combinations[..] {
            [parts] if !are_at_hand(parts).await? && scenarios.iter().any(Scenario::azure_only) => {
                // Nothing at all where nobody is going to need it.
                to_be_built = (!scenarios.iter().all(Scenario::azure_only)).then(|| parts.clone());
            }
            all => {
                for parts in all {
                    prepare_components(parts).await?;
                }
            }
        }
    }

    let seed = args.seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
    let folder = match named {
        Some(folder) => folder,
        None => {
            let above = workspace.map_or_else(|_| PathBuf::from("artefacts"), |found| found.target.join("catnap"));
            RunFolder::create_under(&std::path::absolute(above).into_diagnostic()?, Timestamp::now(), seed)?
        }
    };
    let mut shared = Vec::new();
    shared.extend(args.suites.iter().map(|path| format!("--suites {}", quoted(&path.to_string_lossy()))));
    shared.extend(args.target.map(|target| format!("--target {}", target.name())));
    shared.extend(args.clock.map(|clock| format!("--clock {clock}")));
    shared.extend(args.patience.map(|patience| format!("--patience {}s", patience.as_secs())));
    shared.extend(args.fresh_clusters.then(|| "--fresh-clusters".to_owned()));
    shared.extend(args.no_build.then(|| "--no-build".to_owned()));

    let jobs = args.jobs.unwrap_or_else(|| target.default_labs(args.clock.unwrap_or_default()));
    let several = combinations.len() > 1;
    let mut folder = Some(folder);
    let above = if several { folder.take().map(Arc::new) } else { None };
    let mut plans = Vec::new();
    for parts in combinations {
        let facts = parts.facts();
        let label = parts.label();
        let folder = match (folder.take(), &above) {
            (Some(folder), _) => folder,
            (None, Some(above)) => RunFolder::at(&above.path().join(&label))?,
            (None, None) => return Err(miette!("there is no folder left for {label}")),
        };
        let junit = junit.clone().map(|junit| if several { junit.join(&label) } else { junit });
        let mut options = parts.options();
        options.extend(shared.iter().cloned());
        let plan = Plan {
            scenarios: scenarios.clone(),
            jobs,
            parts: None,
            seed,
            keep: args.keep,
            target: args.target.map(|target| target.name().to_owned()),
            provisioner: parts.provisioner,
            provisioner_version: parts.provisioner_version,
            kubernetes_version: parts.kubernetes,
            // Whoever asks for more at a time than the labs would allow means the labs too. Said in any case: a scenario
            // would count the memory that the others have taken.
            labs: std::env::var_os("CATNAP_LABS").is_none().then_some(jobs),
            clock: args.clock,
            patience: args.patience,
            // Only clusters that are made here can be lent here.
            fresh_clusters: args.fresh_clusters || !target.is_built_here(),
            lender: None,
            timeout: args.timeout,
            grace: GRACE,
            folder,
            facts,
            command: format!("{} run", runner_command()),
            options,
        };
        let junit = junit.unwrap_or_else(|| plan.folder.path().join("junit"));
        plans.push(Labelled { label, plan, junit, above: above.clone(), to_be_built: to_be_built.take() });
    }
    Ok(Some((plans, palette)))
}

/// The suites: built where catnap itself was built, else those that are beside it.
pub(super) async fn find_suites(
    workspace: &Result<Workspace, String>,
    named: Option<&Path>,
    no_build: bool,
) -> Result<Vec<Suite>, RunnerError> {
    if let Some(folder) = named {
        return SuiteFolder::at(folder).open();
    }
    let beside = SuiteFolder::beside_executable();
    let why = match workspace {
        Ok(workspace) if !no_build => {
            let building = Building::start("the suites", None);
            let built = build(workspace, |line| building.said(line)).await?;
            return beside.install(&built);
        }
        Ok(_) => "--no-build forbids to build them",
        Err(why) => why,
    };
    if beside.path().is_dir() {
        return beside.open();
    }
    Err(RunnerError::NoSuites { folder: beside.path().to_path_buf(), why: why.to_owned() })
}

/// To a person: what each is about below its name. To a program: a line for each, the name before a tab.
fn show_list(scenarios: &[Scenario], palette: Palette) {
    let mut out = std::io::stdout().lock();
    let people = out.is_terminal();
    for (at, scenario) in scenarios.iter().enumerate() {
        // The cases of one function share what is said of it; a person need not read it below each.
        let follower = scenarios.get(at + 1).filter(|next| people && next.sentence() == scenario.sentence());
        let doc = if follower.is_some() { String::new() } else { scenario.sentence() };
        let written = match (people, doc.as_str()) {
            (_, "") => writeln!(out, "{}", scenario.id),
            (true, doc) => writeln!(out, "{}\n    {}", scenario.id, palette.faint(doc)),
            (false, doc) => writeln!(out, "{}\t{doc}", scenario.id),
        };
        // The one who reads has enough.
        if written.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(time("1h30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "90", "0s", "-5m", "soon"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn combinations_stand_below_each_other_and_the_worst_decides() {
        let counts = |passed, failed, could_not_run| Counts { passed, failed, could_not_run, ..Counts::default() };
        let all_counts = [("a".to_owned(), counts(2, 0, 0)), ("longer".to_owned(), counts(1, 1, 1))];
        insta::assert_snapshot!(side_by_side(&all_counts, Palette::PLAIN).trim(), @r"
        a       2 passed, 0 failed, 0 skipped
        longer  1 passed, 1 failed, 0 skipped, 1 could not run
        ");
        assert_eq!([worse(0, 2), worse(2, 1), worse(1, 0), worse(0, 0)], [2, 1, 1, 0]);
    }

    #[test]
    fn at_least_one_scenario_runs_at_a_time() {
        assert_eq!(jobs("3"), Ok(3));
        assert!(jobs("0").is_err() && jobs("many").is_err());
    }
}
