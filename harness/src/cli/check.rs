//! `catnap check`: what would be in the way of nodes, before anything is created.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ipnet::IpNet;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use serde_json::{Value, json};
use url::Url;

use super::sign_in::token;
use crate::azure::ArmClient;
use crate::clock::LabClock;
use crate::manifest::{Apply, Manifests};
use crate::preflight::{Finding, Level, Plan, Report, check as look};
use crate::report::Palette;

const EXAMPLES: &str = "\
Looks at the address ranges of subnets, pods, services and peered networks, at routes and security
groups between nodes and their API server, at the room in each subnet, and at what the cluster's
identity may do. Everything is read, nothing is changed; whoever asks needs the role Reader. Neither
AKS nor the provisioner checks the subnet of a node class.

It asks Azure as AZURE_ACCESS_TOKEN says, else as AZURE_TENANT_ID, AZURE_CLIENT_ID and
AZURE_CLIENT_SECRET say, else as the Azure CLI is signed in (`az login`).

Examples:
  catnap check --cluster ID                               a cluster that is there
  catnap check --cluster ID --node-classes classes.yaml   with the subnets that node classes name
  catnap check --subnet ID --subnet ID --identity ID      a cluster that is to be: the first is its own
  catnap check --subnet ID --pod-cidr 10.8.0.0/14 --service-cidr 10.2.0.0/16
  catnap check --cluster ID --endpoint https://127.0.0.1:8443 --ca ca.pem
  catnap check --cluster ID --json > findings.json

Exit status:
  0  nothing is in the way
  1  something is, and is printed with what to do about it
  2  it could not be looked at";

/// Say what would be in the way of nodes in a subscription: address conflicts, rules, missing rights
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CheckArgs {
    /// Id of a cluster that is there
    #[arg(long, value_name = "ID", required_unless_present_any = ["subnets", "node_classes"])]
    cluster: Option<String>,
    /// Id of a subnet that nodes are to come to; may be given several times [--vnet-subnet-id]
    #[arg(long = "subnet", alias = "vnet-subnet-id", value_name = "ID")]
    subnets: Vec<String>,
    /// Manifests with node classes, whose subnets are looked at too; may be given several times
    #[arg(long, value_name = "FILE")]
    node_classes: Vec<PathBuf>,
    /// The cluster's identity: its object id, or the id of a user-assigned identity [default: the cluster's own]
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// Range of pods; two with a comma for both families [default: AKS's]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = PLANNED, conflicts_with = "cluster")]
    pod_cidr: Vec<IpNet>,
    /// Range of services; two with a comma for both families [default: AKS's]
    #[arg(long, value_name = "CIDR", value_delimiter = ',', help_heading = PLANNED, conflicts_with = "cluster")]
    service_cidr: Vec<IpNet>,
    /// Address of the DNS service [default: AKS's]
    #[arg(long, value_name = "IP", help_heading = PLANNED, conflicts_with = "cluster")]
    dns_service_ip: Option<std::net::IpAddr>,
    /// Network plugin: azure, none [default: azure]
    #[arg(long, value_name = "NAME", help_heading = PLANNED, conflicts_with = "cluster")]
    network_plugin: Option<String>,
    /// Plugin mode: overlay, or empty for pods in the nodes' subnet [default: overlay]
    #[arg(long, value_name = "NAME", help_heading = PLANNED, conflicts_with = "cluster")]
    network_plugin_mode: Option<String>,
    /// Id of the subnet that the API server goes to [default: it is reached through the Internet]
    #[arg(long, value_name = "ID", help_heading = PLANNED, conflicts_with = "cluster")]
    apiserver_subnet_id: Option<String>,
    /// Where Azure Resource Manager is
    #[arg(long, value_name = "URL", default_value = PUBLIC, value_parser = endpoint)]
    endpoint: Url,
    /// Certificates to trust there, as PEM, instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const PLANNED: &str = "A cluster that is to be";
/// Azure Resource Manager of the public cloud.
pub(super) const PUBLIC: &str = "https://management.azure.com";

fn endpoint(text: &str) -> std::result::Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}; give a URL such as {PUBLIC}"))?;
    let plain = matches!(url.scheme(), "http" | "https") && url.has_host();
    plain.then_some(url).ok_or_else(|| format!("give a URL such as {PUBLIC}"))
}

/// Does what `catnap check` asks for.
pub(super) async fn check(args: CheckArgs) -> Result<u8> {
    let plan = plan(&args)?;
    let ca = match &args.ca {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.into_diagnostic().wrap_err_with(|| format!("failed to read {}", path.display()))?)
        }
        None => None,
    };
    let token = token(&args.endpoint, ca.as_deref()).await?;
    let azure = ArmClient::new(args.endpoint.clone(), ca.as_deref(), Arc::new(move || token.clone()), LabClock::real())
        .map_err(|error| {
            miette!("failed to make a client of {}: {}", args.endpoint, crate::causes::error_chain(&error))
        })?;
    let report = look(&azure, &plan).await.map_err(|error| {
        miette!(
            help = "`catnap check --help` shows how to name what there is",
            "{}",
            crate::causes::error_chain(&error)
        )
    })?;
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&report).into_diagnostic()?)
    } else {
        render(&report, Palette::of(&std::io::stdout()))
    };
    // The one who reads may have gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(u8::from(report.bad().count() > 0))
}

fn plan(args: &CheckArgs) -> Result<Plan> {
    let mut subnets = args.subnets.clone();
    for file in &args.node_classes {
        subnets.extend(subnets_of(file)?);
    }
    if subnets.is_empty() && args.cluster.is_none() {
        return Err(miette!(
            help = "name the cluster with --cluster, or the subnet that its system pool will have with --subnet",
            "no node class names a subnet, so that nodes go where the cluster is, and that is not said"
        ));
    }
    let mut profile = json!({});
    let texts = |ranges: &[IpNet]| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (pods, services) = (texts(&args.pod_cidr), texts(&args.service_cidr));
    if pods.len() > 1 || services.len() > 1 {
        profile["ipFamilies"] = json!(["IPv4", "IPv6"]);
        profile["podCidrs"] = json!(pods);
        profile["serviceCidrs"] = json!(services);
    } else {
        set(&mut profile, "podCidr", pods.first());
        set(&mut profile, "serviceCidr", services.first());
    }
    set(&mut profile, "dnsServiceIP", args.dns_service_ip.as_ref());
    if args.network_plugin.is_some() || args.network_plugin_mode.is_some() {
        profile["networkPlugin"] = json!(args.network_plugin.as_deref().unwrap_or("azure"));
    }
    set(&mut profile, "networkPluginMode", args.network_plugin_mode.as_ref().filter(|mode| !mode.is_empty()));
    Ok(Plan {
        cluster: args.cluster.clone(),
        subnets,
        network_profile: profile,
        api_server_subnet: args.apiserver_subnet_id.clone(),
        identity: args.identity.clone(),
    })
}

fn set(profile: &mut Value, name: &str, value: Option<impl ToString>) {
    if let Some(value) = value {
        profile[name] = json!(value.to_string());
    }
}

/// The subnets that the node classes of a file name.
fn subnets_of(file: &PathBuf) -> Result<Vec<String>> {
    let objects = Manifests::file(file).and_then(Apply::objects).into_diagnostic()?;
    let classes: Vec<_> = objects.iter().filter(|object| object["kind"] == "AKSNodeClass").collect();
    if classes.is_empty() {
        return Err(miette!(
            help = "give a file with objects of the kind AKSNodeClass",
            "no node class is in {}",
            file.display()
        ));
    }
    Ok(classes.iter().filter_map(|class| class["spec"]["vnetSubnetID"].as_str()).map(str::to_owned).collect())
}

fn render(report: &Report, palette: Palette) -> String {
    let mut text = String::new();
    let mut area = "";
    for Finding { level, area: of, text: said, remedy } in &report.findings {
        if *of != area {
            let _ = writeln!(text, "{}", palette.heading(of));
            area = of;
        }
        let word = match level {
            Level::Good => palette.good("good   "),
            Level::Caution => palette.caution("caution"),
            Level::Bad => palette.bad("BAD    "),
        };
        let _ = writeln!(text, "  {word}  {said}");
        if let Some(remedy) = remedy {
            let _ = writeln!(text, "           {}", palette.faint(remedy));
        }
    }
    let bad = report.bad().count();
    let _ = writeln!(
        text,
        "\n{}",
        match bad {
            0 => palette.good("nothing is in the way"),
            1 => palette.bad("1 thing is in the way"),
            _ => palette.bad(&format!("{bad} things are in the way")),
        }
    );
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }

    fn read(words: &[&str]) -> std::result::Result<CheckArgs, clap::Error> {
        Line::try_parse_from([&["check"], words].concat()).map(|line| line.args)
    }

    #[test]
    fn a_plan_is_what_the_options_say() {
        let args = read(&["--subnet", "/a", "--pod-cidr", "10.8.0.0/14", "--dns-service-ip", "10.0.0.10"]).unwrap();
        let plan = plan(&args).unwrap();
        assert_eq!(plan.subnets, ["/a"]);
        assert_eq!(plan.network_profile, json!({ "podCidr": "10.8.0.0/14", "dnsServiceIP": "10.0.0.10" }));
        let both = read(&["--subnet", "/a", "--pod-cidr", "10.8.0.0/14,fd00::/64"]).unwrap();
        assert_eq!(super::plan(&both).unwrap().network_profile["ipFamilies"], json!(["IPv4", "IPv6"]));
    }

    #[test]
    fn something_must_be_named_and_ranges_must_be_ranges() {
        assert!(read(&[]).unwrap_err().to_string().contains("--cluster"));
        assert!(read(&["--subnet", "/a", "--pod-cidr", "10.8"]).unwrap_err().to_string().contains("--pod-cidr"));
        assert!(read(&["--cluster", "/c", "--pod-cidr", "10.8.0.0/14"]).is_err());
        assert!(read(&["--cluster", "/c", "--endpoint", "nowhere"]).unwrap_err().to_string().contains(PUBLIC));
    }

    #[test]
    fn node_classes_name_subnets() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_path_buf();
        let class = "apiVersion: karpenter.azure.com/v1beta1\nkind: AKSNodeClass\nmetadata: { name: a }\n";
        std::fs::write(&path, format!("{class}spec: {{ vnetSubnetID: /s }}\n---\n{class}")).unwrap();
        assert_eq!(subnets_of(&path).unwrap(), ["/s"]);
        std::fs::write(&path, "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n").unwrap();
        assert!(subnets_of(&path).unwrap_err().to_string().contains("no node class is in"));
    }

    #[test]
    fn what_is_in_the_way_stands_with_what_to_do_about_it() {
        let finding = |level, area, text: &str, remedy: Option<&str>| Finding {
            level,
            area,
            text: text.into(),
            remedy: remedy.map(str::to_owned),
        };
        let report = Report {
            findings: vec![
                finding(Level::Good, "network", "room", None),
                finding(Level::Bad, "network", "a conflict", Some("move it")),
                finding(Level::Caution, "rights", "not known", None),
            ],
        };
        insta::assert_snapshot!(render(&report, Palette::PLAIN), @r"
        network
          good     room
          BAD      a conflict
                   move it
        rights
          caution  not known

        1 thing is in the way
        ");
    }
}
