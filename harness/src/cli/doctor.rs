//! `catnap doctor`: what works on this machine, what does not, and what to do about it.


use clap::Args;
use owo_colors::{OwoColorize, Stream};
use serde_json::json;

use super::components::{StoreArgs, VersionArgs};
use crate::components::{ComponentError, Finding, State};

/// Arguments of `catnap doctor`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "Exit status: 0 if a lab can be started here, 2 if something is in its way.

Examples:
  catnap doctor
  catnap doctor --kubernetes 1.33.13
  catnap doctor --provisioner ./my-karpenter
  catnap doctor --json")]
pub struct DoctorArgs {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    versions: VersionArgs,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// Runs `catnap doctor`.
///
/// # Errors
/// When there is no place for a cache.
pub(super) async fn doctor(arguments: &DoctorArgs) -> Result<u8, ComponentError> {
    let store = arguments.store.open()?;
    let mut findings = store.diagnose(&arguments.versions.versions()).await;
    findings.push(service_account_files());
    let embedded = embedded(&findings, std::env::consts::OS);
    let works = embedded.state != State::Bad;
    let targets = [embedded, kind(), azure()];
    if arguments.json {
        println!("{:#}", json!({ "findings": findings, "targets": targets }));
    } else {
        println!("Needed for a lab");
        findings.iter().for_each(print);
        println!("\nTargets");
        targets.iter().for_each(print);
    }
    Ok(if works { 0 } else { 2 })
}

fn print(finding: &Finding) {
    let mark = match finding.state {
        State::Good => "ok  ".if_supports_color(Stream::Stdout, |text| text.green()).to_string(),
        State::Note => "note".if_supports_color(Stream::Stdout, |text| text.yellow()).to_string(),
        State::Bad => "no  ".if_supports_color(Stream::Stdout, |text| text.red()).to_string(),
    };
    let indent = " ".repeat(29);
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

fn kind() -> Finding {
    let missing: Vec<_> = ["docker", "kind"].into_iter().filter(|program| which::which(program).is_err()).collect();
    let detail = if missing.is_empty() {
        "docker and kind are here, but this version of catnap does not drive them yet".to_owned()
    } else {
        format!("this version of catnap does not drive it yet; not on PATH: {}", missing.join(", "))
    };
    Finding::note("kind", detail)
}

fn azure() -> Finding {
    Finding::note("azure", "this version of catnap does not drive it yet")
}

/// Whether the provisioner can be given a service account token of its own: as root, or in a user namespace.
fn service_account_files() -> Finding {
    let subject = "user namespaces";
    if std::env::consts::OS != "linux" {
        return Finding::note(subject, "there are none on this system");
    }
    if nix::unistd::geteuid().is_root() {
        return Finding::good(subject, "not needed: running as root");
    }
    let setting = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        text.trim().parse::<i64>().ok()
    };
    user_namespaces(
        setting("user/max_user_namespaces"),
        setting("kernel/unprivileged_userns_clone"),
        setting("kernel/apparmor_restrict_unprivileged_userns"),
    )
}

/// Judges by the kernel's settings; `None` is a setting that this kernel does not have.
fn user_namespaces(most: Option<i64>, unprivileged: Option<i64>, restricted: Option<i64>) -> Finding {
    let subject = "user namespaces";
    let sysctl = |name: &str, value: &str| format!("sudo sysctl -w {name}={value}, or run catnap as root");
    if most == Some(0) {
        Finding::bad(subject, "switched off").remedy(sysctl("user.max_user_namespaces", "10000"))
    } else if most.is_none() {
        Finding::bad(subject, "this kernel has none").remedy("run catnap as root")
    } else if unprivileged == Some(0) {
        Finding::bad(subject, "switched off for ordinary users").remedy(sysctl("kernel.unprivileged_userns_clone", "1"))
    } else if restricted == Some(1) {
        Finding::bad(subject, "restricted by AppArmor")
            .remedy(sysctl("kernel.apparmor_restrict_unprivileged_userns", "0"))
    } else {
        Finding::good(subject, "usable, by the kernel's settings")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_setting_in_the_way_is_named() {
        assert_eq!(user_namespaces(Some(100), None, None).state, State::Good);
        assert_eq!(user_namespaces(Some(100), Some(1), Some(0)).state, State::Good);
        for (finding, setting) in [
            (user_namespaces(Some(0), None, None), "user.max_user_namespaces"),
            (user_namespaces(Some(9), Some(0), None), "kernel.unprivileged_userns_clone"),
            (user_namespaces(Some(9), Some(1), Some(1)), "kernel.apparmor_restrict_unprivileged_userns"),
            (user_namespaces(None, None, None), "root"),
        ] {
            assert_eq!(finding.state, State::Bad);
            assert!(finding.remedy.unwrap().contains(setting));
        }
    }

    #[test]
    fn the_embedded_target_names_what_is_in_its_way() {
        let findings = [Finding::good("cache", ""), Finding::bad("Go", "none"), Finding::note("machine", "")];
        assert!(embedded(&findings, "linux").detail.contains("see Go"));
        assert_eq!(embedded(&findings[..1], "linux").state, State::Good);
        assert!(embedded(&findings[..1], "macos").detail.contains("SSL_CERT_FILE"));
    }
}
