//! `catnap components`: fetch, list and clean the real parts of a lab.

use clap::{Args, Subcommand};
use serde_json::json;

use components::{Component, ComponentError, FetchDisplay, Selection, Source, Store, StoreOptions, Versions, number};

/// Fetch, list and remove the real parts that labs are made of
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  catnap components fetch                           everything that a lab needs by default
  catnap components fetch --kubernetes 1.33.13      the same with another Kubernetes
  catnap components fetch --all                     every pinned version
  catnap components list --json
  catnap components clean                           builds that this catnap does not use
  catnap components clean karpenter-azure@1.5.1
  CATNAP_CACHE=/big/disk catnap components fetch")]
pub struct ComponentsArgs {
    #[command(subcommand)]
    command: ComponentsCommand,
}

#[derive(Debug, Clone, Subcommand)]
enum ComponentsCommand {
    /// Put components into the cache, building those that are not there
    Fetch(FetchArgs),
    /// Show the versions there are and which of them are in the cache
    List(ListArgs),
    /// Remove builds from the cache
    Clean(CleanArgs),
}

#[derive(Debug, Clone, Args)]
struct FetchArgs {
    /// Versions of the provisioner, instead of the default one.
    #[arg(long, value_name = "VERSION", num_args = 1..)]
    provisioner_version: Vec<String>,
    /// Versions of Kubernetes, instead of the default one.
    #[arg(long, value_name = "VERSION", num_args = 1..)]
    kubernetes: Vec<String>,
    /// Every pinned version of every component.
    #[arg(long, conflicts_with_all = ["provisioner_version", "kubernetes"])]
    all: bool,
}

#[derive(Debug, Clone, Args)]
struct ListArgs {
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Args)]
struct CleanArgs {
    /// `kubernetes` or `kubernetes@1.33.13` [default: builds that this catnap does not use]
    #[arg(value_name = "NAME[@VERSION]", value_parser = selection)]
    what: Option<Selection>,
    /// Everything.
    #[arg(long, conflicts_with = "what")]
    all: bool,
}

/// Runs `catnap components`.
///
/// # Errors
/// When a component cannot be had or the cache cannot be written.
pub(super) async fn components(arguments: &ComponentsArgs) -> Result<u8, ComponentError> {
    match &arguments.command {
        ComponentsCommand::Fetch(arguments) => fetch(arguments).await?,
        ComponentsCommand::List(arguments) => list(arguments)?,
        ComponentsCommand::Clean(arguments) => clean(arguments)?,
    }
    Ok(0)
}

fn store() -> Result<Store, ComponentError> {
    Store::open(StoreOptions::from_environment())
}

async fn fetch(arguments: &FetchArgs) -> Result<(), ComponentError> {
    let store = store()?;
    let wanted = if arguments.all { Store::pinned() } else { wanted(arguments) };
    let display = FetchDisplay::new();
    for (component, version, source) in store.fetch(&wanted, |progress| display.report(progress)).await? {
        let source = match source {
            Source::Built => "built",
            Source::Cache | Source::Given => "in the cache",
        };
        println!("{component} {version}: {source}");
    }
    println!("cache: {}", store.cache_folder().display());
    Ok(())
}

/// What a run with the versions asked for needs.
fn wanted(arguments: &FetchArgs) -> Vec<(Component, String)> {
    let defaults = Versions::default();
    let asked = |component| match component {
        Component::KarpenterAzure => arguments.provisioner_version.clone(),
        Component::Kubernetes => arguments.kubernetes.clone(),
        Component::Etcd | Component::Kwok => Vec::new(),
    };
    Component::ALL
        .into_iter()
        .flat_map(|component| {
            let mut versions = asked(component);
            if versions.is_empty() {
                versions.push(defaults.of(component).to_owned());
            }
            versions.into_iter().map(move |version| (component, version))
        })
        .collect()
}

fn list(arguments: &ListArgs) -> Result<(), ComponentError> {
    let store = store()?;
    let (pinned, held, defaults) = (Store::pinned(), store.list(), Versions::default());
    let is_default = |component: Component, version: &str| defaults.of(component) == version;
    if arguments.json {
        let pinned: Vec<_> = pinned
            .iter()
            .map(|(component, version)| {
                let cached = held.iter().any(|held| {
                    held.current && !held.crds_only && held.component == *component && held.version == *version
                });
                json!({
                    "component": component, "version": version, "default": is_default(*component, version),
                    "cached": cached,
                })
            })
            .collect();
        println!("{:#}", json!({ "cache": store.cache_folder(), "pinned": pinned, "held": held }));
        return Ok(());
    }
    for (component, version) in &pinned {
        let mark = if is_default(*component, version) { "default" } else { "" };
        let of_it = || held.iter().filter(|held| held.component == *component && held.version == *version);
        let state = match of_it().find(|held| held.current && !held.crds_only) {
            Some(held) => format!("in the cache, {} MiB, built with {}", held.size >> 20, held.made_by),
            None => "not in the cache".to_owned(),
        };
        println!("{component:<16} {version:<9} {mark:<8} {state}");
    }
    let outdated: Vec<_> = held.iter().filter(|held| !held.current).collect();
    if !outdated.is_empty() {
        let size: u64 = outdated.iter().map(|held| held.size).sum();
        println!(
            "{} more that this catnap does not use, {} MiB: `catnap components clean` removes them",
            outdated.len(),
            size >> 20
        );
    }
    println!("cache: {}", store.cache_folder().display());
    Ok(())
}

fn clean(arguments: &CleanArgs) -> Result<(), ComponentError> {
    let store = store()?;
    let selection = if arguments.all { Selection::All } else { arguments.what.clone().unwrap_or(Selection::Outdated) };
    let cleaned = store.clean(&selection)?;
    for build in &cleaned.builds {
        println!("removed {build}");
    }
    println!("freed {} MiB in {}", cleaned.bytes >> 20, store.cache_folder().display());
    Ok(())
}

fn selection(text: &str) -> Result<Selection, String> {
    match text.split_once('@') {
        Some((name, version)) => Ok(Selection::Version(name.parse()?, number(version).to_owned())),
        None => text.parse().map(Selection::Component),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        components: ComponentsArgs,
    }

    fn parse(line: &str) -> Result<ComponentsCommand, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.components.command)
    }

    #[test]
    fn what_is_fetched_is_what_a_run_with_these_versions_needs() {
        let Ok(ComponentsCommand::Fetch(arguments)) = parse("catnap fetch --kubernetes 1.33.13 --kubernetes 1.34.4")
        else {
            panic!("not understood");
        };
        let wanted = wanted(&arguments);
        assert_eq!(wanted.len(), 5);
        assert!(wanted.contains(&(Component::Kubernetes, "1.33.13".to_owned())));
        assert!(wanted.contains(&(Component::KarpenterAzure, Versions::default().provisioner)));
    }

    #[test]
    fn a_clean_up_names_a_component_or_a_version_of_it() {
        assert_eq!(selection("etcd"), Ok(Selection::Component(Component::Etcd)));
        let version = Selection::Version(Component::Kubernetes, "1.33.13".to_owned());
        assert_eq!(selection("kubernetes@v1.33.13"), Ok(version));
        assert!(parse("catnap clean kubernets").unwrap_err().to_string().contains("there are"));
        assert!(parse("catnap clean etcd --all").is_err());
    }
}
