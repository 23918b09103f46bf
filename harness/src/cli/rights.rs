//! `catnap rights`: the rights that the provisioner used in scenarios that were run, as a role definition.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use fake_arm::ledger::{Footprint, UsedRight};
use miette::{IntoDiagnostic, Result, miette};
use uuid::Uuid;

use crate::history::{AzureEvent, AzureRequest, Event, read};
use workspace::Workspace;

/// What the provisioner's requests say of themselves (`User-Agent: karpenter-aks/…`).
const USER_AGENT: &str = "karpenter";

const EXAMPLES: &str = "\
A FILTER is a suite, a scenario or a part of a name; several select whatever one of them selects. Read are the
histories that the last `catnap run` recorded, unless --artefacts or --history name others.

An action is printed if Azure let a request for it through, or one whose body it is needed for: a network interface
that names a subnet needs subnets/join/action there. Requests that were refused for want of rights are left out.

Examples:
  catnap rights                                of all scenarios of the last run together
  catnap rights scoped_rbac                    of one suite
  catnap rights --scopes                       where each action was used
  catnap rights --artefacts results            of another run
  catnap rights --history history.jsonl        of one history
  catnap rights > role.json && az role definition create --role-definition role.json";

/// Print the rights that the provisioner used, as a role definition for Azure
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RightsArgs {
    /// A suite, a scenario, or a part of a name
    #[arg(value_name = "FILTER", conflicts_with = "histories")]
    filters: Vec<String>,
    /// A history that a scenario recorded; may be given several times
    #[arg(long = "history", value_name = "FILE")]
    histories: Vec<PathBuf>,
    /// Folder of a run [default: that of the last one]
    #[arg(long, value_name = "DIR", env = "CATNAP_ARTEFACTS", hide_env_values = true)]
    artefacts: Option<PathBuf>,
    /// Name of the role
    #[arg(long, value_name = "TEXT", default_value = "Node auto-provisioning")]
    name: String,
    /// Object id of the principal meant [default: whoever the provisioner worked as]
    #[arg(long, value_name = "ID")]
    principal: Option<Uuid>,
    /// Print each action with the resources that it was used on, instead of a role definition
    #[arg(long)]
    scopes: bool,
}

/// Does what `catnap rights` asks for.
pub(super) fn rights(args: &RightsArgs) -> Result<u8> {
    let files = if args.histories.is_empty() { recorded(args)? } else { args.histories.clone() };
    let mut used = BTreeSet::new();
    for file in &files {
        used.extend(used_in(file, args.principal)?.rights);
    }
    if used.is_empty() {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        return Err(miette!(
            help = "take scenarios in which the provisioner works, for example those of `catnap run scoped_rbac`",
            "no request of the provisioner was let through in {}",
            files.join(", ")
        ));
    }
    let footprint = Footprint { rights: used };
    let text = if args.scopes { scopes(&footprint) } else { role(&footprint, &args.name, files.len()) };
    // The one who reads may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(0)
}

/// The histories of a run's scenarios, in order.
fn recorded(args: &RightsArgs) -> Result<Vec<PathBuf>> {
    let folder = match &args.artefacts {
        Some(folder) => folder.clone(),
        None => {
            let above = Workspace::locate().map_or_else(|_| PathBuf::from("artefacts"), |w| w.target.join("catnap"));
            above.join("latest")
        }
    };
    let help =
        "run scenarios first (`catnap run scoped_rbac`), or name a run with --artefacts or a file with --history";
    let scenarios = std::fs::read_dir(&folder)
        .map_err(|error| miette!(help = help, "there is no run in {}: {error}", folder.display()))?;
    // Folders are called `suite.module.scenario`, scenarios `suite::module::scenario`.
    let filters: Vec<_> = args.filters.iter().map(|filter| filter.replace("::", ".")).collect();
    let selected = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    let mut files: Vec<_> = scenarios
        .filter_map(Result::ok)
        .filter(|entry| selected(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path().join("history.jsonl"))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    if files.is_empty() {
        let which = if filters.is_empty() { String::new() } else { format!(" of {}", args.filters.join(", ")) };
        return Err(miette!(help = help, "no history{which} is in {}", folder.display()));
    }
    Ok(files)
}

/// What a history says that the provisioner used, or `wanted` where someone is named.
fn used_in(file: &Path, wanted: Option<Uuid>) -> Result<Footprint> {
    let records = read(file).into_diagnostic()?;
    let requests: Vec<&AzureRequest> = records
        .iter()
        .filter_map(|record| match &record.event {
            Event::Azure { what: AzureEvent::Request(entry) } => Some(&**entry),
            _ => None,
        })
        .collect();
    let principals: BTreeSet<Uuid> = match wanted {
        Some(principal) => BTreeSet::from([principal]),
        None => requests
            .iter()
            .filter(|entry| entry.user_agent.starts_with(USER_AGENT))
            .filter_map(|entry| entry.principal)
            .collect(),
    };
    let footprints = principals.iter().map(|principal| Footprint::of(requests.iter().copied(), *principal));
    Ok(Footprint { rights: footprints.flat_map(|footprint| footprint.rights).collect() })
}

fn role(footprint: &Footprint, name: &str, histories: usize) -> String {
    let described = format!(
        "What the provisioner of node auto-provisioning used in {histories} scenario{}",
        if histories == 1 { "" } else { "s" }
    );
    format!("{:#}\n", footprint.role_definition(name, &described, &subscriptions(footprint)))
}

fn scopes(footprint: &Footprint) -> String {
    let mut text = String::new();
    for action in footprint.actions() {
        text += &format!("{action}\n");
        for scope in footprint.scopes_of(action) {
            text += &format!("    {scope}\n");
        }
    }
    text
}

/// The subscriptions in which something was used.
fn subscriptions(footprint: &Footprint) -> Vec<String> {
    let of = |right: &UsedRight| {
        let mut segments = right.scope.split('/').skip(1);
        let keyword = segments.next()?;
        let id = segments.next().filter(|_| keyword.eq_ignore_ascii_case("subscriptions"))?;
        Some(format!("/subscriptions/{id}"))
    };
    let all: BTreeSet<_> = footprint.rights.iter().filter_map(of).collect();
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::clock::LabClock;
    use crate::history::History;

    fn request(principal: u128, user_agent: &str, operation: &str, status: u16) -> Event {
        Event::Azure {
            what: AzureEvent::Request(std::sync::Arc::new(AzureRequest {
                sequence: 1,
                at: Timestamp::UNIX_EPOCH,
                latency: Duration::ZERO,
                method: "GET".into(),
                path: String::new(),
                query: String::new(),
                operation: operation.into(),
                resource_id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v".into(),
                principal: Some(Uuid::from_u128(principal)),
                user_agent: user_agent.into(),
                status,
                error_code: None,
                error_message: None,
                request_body: None,
                request_id: Uuid::nil(),
                unknown_route: false,
            })),
        }
    }

    fn args(history: &Path) -> RightsArgs {
        RightsArgs {
            filters: Vec::new(),
            histories: vec![history.to_path_buf()],
            artefacts: None,
            name: "Role".into(),
            principal: None,
            scopes: false,
        }
    }

    #[test]
    fn the_role_is_what_the_provisioner_was_let_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let history = History::new(LabClock::real(), Some(&file)).unwrap();
        history.record(Event::Step { text: "a step".into() });
        history.record(request(1, "karpenter-aks/x azsdk-go", "Microsoft.Network/virtualNetworks/read", 200));
        // The same principal by another client, a refusal, and somebody else.
        history.record(request(1, "Go/1.26 go-autorest", "Microsoft.Compute/skus/read", 200));
        history.record(request(1, "karpenter-aks/x azsdk-go", "Microsoft.Network/virtualNetworks/write", 403));
        history.record(request(2, "catnap/0.1.0", "Microsoft.Network/virtualNetworks/delete", 200));

        let footprint = used_in(&file, None).unwrap();
        let role: Value = serde_json::from_str(&role(&footprint, "Role", 1)).unwrap();
        assert_eq!(role["Actions"], json!(["Microsoft.Compute/skus/read", "Microsoft.Network/virtualNetworks/read"]));
        assert_eq!(role["AssignableScopes"], json!(["/subscriptions/s"]));
        assert!(scopes(&footprint).starts_with("Microsoft.Compute/skus/read\n    /subscriptions/s/"));
        let other = used_in(&file, Some(Uuid::from_u128(2))).unwrap();
        assert_eq!(other.actions(), BTreeSet::from(["Microsoft.Network/virtualNetworks/delete"]));
        assert_eq!(rights(&args(&file)).unwrap(), 0);
    }

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("history.jsonl");
        let error = rights(&args(&file)).unwrap_err();
        assert!(format!("{error}").contains("history.jsonl"), "{error}");
        std::fs::write(&file, "no history\n").unwrap();
        assert!(format!("{}", rights(&args(&file)).unwrap_err()).contains("line 1"));
        std::fs::write(&file, "").unwrap();
        assert!(format!("{}", rights(&args(&file)).unwrap_err()).contains("no request of the provisioner"));
        let nowhere = RightsArgs {
            filters: vec!["scoped_rbac".into()],
            histories: Vec::new(),
            artefacts: Some(folder.path().to_path_buf()),
            ..args(&file)
        };
        assert!(format!("{}", rights(&nowhere).unwrap_err()).contains("no history of scoped_rbac"));
    }
}
