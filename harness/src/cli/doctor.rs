//! `catnap doctor`: what works on this machine, what does not, and what to do about it.

use clap::Args;
use owo_colors::{OwoColorize, Stream};
use serde_json::json;

use super::parts::PartsArgs;
use crate::cluster::kind::KindTools;
use crate::process::{probe_clock, probe_namespaces};
use crate::target::azure::AzureElsewhere;
use crate::target::{self, CapabilityKind, Target};
use components::{ComponentError, Finding, State, Store, StoreOptions};

/// Say what works on this machine, what does not, and what to do about it
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "Exit status: 0 if a lab can be started here, 2 if something is in its way.

Examples:
  catnap doctor
  catnap doctor --kubernetes 1.33.13
  catnap doctor --provisioner ./my-karpenter
  catnap doctor --json")]
pub struct DoctorArgs {
    #[command(flatten)]
    parts: PartsArgs,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// Runs `catnap doctor`.
///
/// # Errors
/// When there is no place for a cache.
pub(super) async fn doctor(arguments: &DoctorArgs) -> Result<u8, ComponentError> {
    let mut options = StoreOptions::from_environment();
    if let Some(path) = &arguments.parts.provisioner {
        options = options.provisioner(path);
    }
    let mut findings = Store::open(options)?.diagnose(&arguments.parts.versions()).await;
    findings.push(service_account_files());
    findings.push(clock());
    let embedded = embedded(&findings, std::env::consts::OS);
    let works = embedded.state != State::Bad;
    let targets = [embedded, kind(&arguments.parts.versions().kubernetes).await, azure()];
    if arguments.json {
        let capabilities: serde_json::Map<_, _> = target::all()
            .iter()
            .map(|target| {
                let names: Vec<_> = target.capabilities().iter().map(|kind| kind.name()).collect();
                (target.name().to_owned(), json!(names))
            })
            .collect();
        println!("{:#}", json!({ "findings": findings, "targets": targets, "capabilities": capabilities }));
    } else {
        println!("Needed for a lab");
        findings.iter().for_each(print);
        println!("\nTargets");
        targets.iter().for_each(print);
        println!("\n{}", capabilities().trim_end());
    }
    Ok(if works { 0 } else { 2 })
}

fn print(finding: &Finding) {
    let mark = match finding.state {
        State::Good => "ok  ".if_supports_color(Stream::Stdout, |text| text.green()).to_string(),
        State::Note => "note".if_supports_color(Stream::Stdout, |text| text.yellow()).to_string(),
        State::Bad => "no  ".if_supports_color(Stream::Stdout, |text| text.red()).to_string(),
    };
    let indent = " ".repeat(30);
    println!("  {mark} {:<22} {}", finding.subject, finding.detail.replace('\n', &format!("\n{indent}")));
    if let Some(remedy) = &finding.remedy {
        println!("{indent}-> {}", remedy.replace('\n', &format!("\n{indent}   ")));
    }
}

/// The `embedded` target needs everything that was looked at.
fn embedded(findings: &[Finding], system: &str) -> Finding {
    if system != "linux" {
        return Finding::bad(
            "embedded",
            "the provisioner reads its token from /var/run/secrets/kubernetes.io/serviceaccount, and Go takes the lab's \
             certificate authority from SSL_CERT_FILE, on Linux only",
        )
        .remedy("run catnap in a Linux virtual machine or container");
    }
    let in_the_way: Vec<_> =
        findings.iter().filter(|finding| finding.state == State::Bad).map(|finding| finding.subject.as_str()).collect();
    if in_the_way.is_empty() {
        Finding::good("embedded", "works here")
    } else {
        Finding::bad("embedded", format!("cannot work here: see {}", in_the_way.join(", ")))
    }
}

/// Which way this machine goes: a node image that is here, or one that would be pulled.
async fn kind(version: &str) -> Finding {
    let found = async {
        let tools = KindTools::find().await?;
        tools.image(version).await
    };
    match found.await {
        Ok(image) => Finding::good("kind", format!("works here, with the node image {image}")),
        Err(error) => Finding::note("kind", error.to_string()),
    }
}

fn azure() -> Finding {
    match AzureElsewhere::named() {
        Ok(endpoint) => Finding::good("azure", format!("the environment names {endpoint}")),
        Err(error) => Finding::note("azure", error.to_string()),
    }
}

/// Which target can do what, a line for each capability.
fn capabilities() -> String {
    let targets = target::all();
    let width = targets.iter().map(|target| target.name().len()).max().unwrap_or(0) + 2;
    let cell = |text: &str| format!("{text:<width$}");
    let names: String = targets.iter().map(|target| cell(target.name())).collect();
    let mut text = format!("What a scenario can ask for  {}\n", names.trim_end());
    for kind in CapabilityKind::ALL {
        let has = |target: &&dyn Target| if target.capabilities().contains(kind) { "yes" } else { "no" };
        let cells: String = targets.iter().map(|target| cell(has(target))).collect();
        text += &format!("  {:<26} {cells}to {}\n", kind.name(), kind.purpose());
    }
    text
}

/// Whether the provisioner can be given a service account token of its own. This is tried, not guessed from settings.
fn service_account_files() -> Finding {
    let subject = "service account file";
    if std::env::consts::OS != "linux" {
        return Finding::note(subject, "processes cannot be given files of their own on this system");
    }
    match probe_namespaces() {
        Ok(()) => Finding::good(subject, "the provisioner can be given one of its own"),
        Err(error) => Finding::bad(subject, error.to_string()),
    }
}

/// Whether waits cost next to nothing. This is tried, not guessed from settings.
fn clock() -> Finding {
    match probe_clock() {
        Ok(()) => Finding::good("movable clock", "waits of hours cost seconds"),
        Err(error) => Finding::note("movable clock", format!("{}: waits take real time", error.reason()))
            .remedy(error.remedies().join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_capabilities_has_a_line_for_each() {
        let table = capabilities();
        assert_eq!(table.lines().count(), CapabilityKind::ALL.len() + 1);
        assert!(table.starts_with("What a scenario can ask for  embedded  kind      azure\n"), "{table}");
        assert!(
            table.contains("clock                      yes       no        no        to begin at a date"),
            "{table}"
        );
    }

    #[test]
    fn the_embedded_target_names_what_is_in_its_way() {
        let findings = [Finding::good("cache", ""), Finding::bad("Go", "none"), Finding::note("machine", "")];
        assert!(embedded(&findings, "linux").detail.contains("see Go"));
        assert_eq!(embedded(&findings[..1], "linux").state, State::Good);
        assert!(embedded(&findings[..1], "macos").detail.contains("SSL_CERT_FILE"));
    }
}
