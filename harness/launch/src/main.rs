//! What `cargo run` starts: a small program that is built in seconds. It has cargo build catnap while Go builds the real
//! parts of labs, where they are needed and not in the cache, and then becomes catnap.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use components::{ComponentError, FetchDisplay, Store, StoreOptions, Versions};
use workspace::{Building, CargoError, Workspace};

/// catnap's status when it could not do what it was to do.
const COULD_NOT_RUN: u8 = 2;

/// The options that choose other real parts than the default ones, which are left to catnap to find, and the variables
/// that stand for them.
const CHOICES: [(&str, &str); 3] = [
    ("--provisioner", "CATNAP_PROVISIONER"),
    ("--provisioner-version", "CATNAP_PROVISIONER_VERSION"),
    ("--kubernetes", "CATNAP_KUBERNETES_VERSION"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let problem = match make_ready(&arguments).await {
        Ok(catnap) => {
            let error = Command::new(&catnap).args(&arguments).exec();
            format!("failed to start {}: {error}", catnap.display())
        }
        Err(problem) => problem,
    };
    eprintln!("Error: {problem}");
    ExitCode::from(COULD_NOT_RUN)
}

/// catnap, with all that it needs for what it is to do.
async fn make_ready(arguments: &[OsString]) -> Result<PathBuf, String> {
    let workspace = Workspace::locate().map_err(|why| format!("failed to build catnap: {why}"))?;
    let chosen = |variable: &str| std::env::var_os(variable).is_some();
    let missing = if needs_default_parts(arguments, chosen) { missing().await } else { Ok(None) };
    let missing = missing.map_err(|error| error.to_string())?;
    let display = FetchDisplay::new();
    let building = Building::start("catnap", display.screen());
    let Some(store) = missing else {
        return catnap(&workspace, &building).await.map_err(|error| error.to_string());
    };
    let versions = Versions::default();
    let built = async {
        let catnap = catnap(&workspace, &building).await?;
        workspace.build_suites(|line| building.said(line)).await?;
        Ok::<_, CargoError>(catnap)
    };
    let fetched = async {
        match store.resolve(&versions, |progress| display.report(progress)).await {
            // Cargo is still at work.
            Ok(_) => std::future::pending().await,
            Err(error) => error.to_string(),
        }
    };
    // catnap goes on with what Go has not built by then, beside the scenarios that do without it: what is compiled is in
    // Go's cache.
    tokio::select! {
        catnap = built => catnap.map_err(|error| error.to_string()),
        problem = fetched => Err(problem),
    }
}

async fn catnap(workspace: &Workspace, building: &Building) -> Result<PathBuf, CargoError> {
    let built = workspace.build_catnap(|line| building.said(line)).await?;
    Ok(built.executable)
}

/// Whether these arguments stand up labs of the default parts; whether a variable is set is told by `chosen`.
fn needs_default_parts(arguments: &[OsString], chosen: impl Fn(&str) -> bool) -> bool {
    let has = |option: &str| {
        let holds = |argument: &OsString| {
            let argument = argument.to_string_lossy();
            argument.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        arguments.iter().any(holds)
    };
    let stands_up = arguments.first().is_some_and(|command| command == "run" || command == "up");
    let only_tells = has("--list") || has("--help") || has("-h");
    let otherwise = CHOICES.iter().any(|(option, variable)| has(option) || chosen(variable));
    stands_up && !only_tells && !otherwise
}

/// The store, where it has to build something before the first lab; `None` where all is at hand.
async fn missing() -> Result<Option<Store>, ComponentError> {
    let store = Store::open(StoreOptions::from_environment())?;
    let at_hand = store.resolve_at_hand(&Versions::default()).await?;
    Ok(if at_hand.is_some() { None } else { Some(store) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(line: &str) -> bool {
        let arguments: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        needs_default_parts(&arguments, |_| false)
    }

    #[test]
    fn only_what_stands_up_labs_of_the_default_parts_has_them_built_ahead() {
        for line in ["run", "run custom_vnet --jobs 2", "up"] {
            assert!(needs(line), "{line}");
        }
        for line in [
            "",
            "--help",
            "doctor",
            "components fetch",
            "run --list",
            "up -h",
            "run --kubernetes 1.33.13",
            "run --provisioner=./karpenter",
            "run drift --provisioner-version 1.6.3",
        ] {
            assert!(!needs(line), "{line}");
        }
        assert!(!needs_default_parts(&["run".into()], |variable| variable == "CATNAP_PROVISIONER"));
    }
}
