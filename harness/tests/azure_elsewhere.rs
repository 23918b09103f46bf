//! The same scenarios, unchanged, against an Azure in another process: `catnap up` serves it, and `catnap run --target azure`
//! knows nothing of it but where it is and how to sign in.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use catnap::azure::{ArmClient, ClientSecret, ClientSecretCredential};
use catnap::clock::LabClock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Without any variable that would steer it.
fn catnap(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catnap"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if (name.starts_with("CATNAP_") && name != "CATNAP_CACHE") || name.starts_with("AZURE_") {
            command.env_remove(&*name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// An Azure of its own process, until it is dropped.
struct StandIn {
    up: Child,
    /// Open as long as it lives: what it shows of its nodes is read by nobody.
    _told: BufReader<ChildStdout>,
    variables: BTreeMap<String, String>,
}

impl StandIn {
    /// Waits until it says how it is reached.
    fn start() -> Self {
        let mut up = catnap(&["up", "--empty"]).stdout(Stdio::piped()).spawn().expect("catnap up starts");
        let mut told = BufReader::new(up.stdout.take().expect("its output is piped"));
        let (mut variables, mut line) = (BTreeMap::new(), String::new());
        while told.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(exports) = line.trim_start().strip_prefix("export ") {
                let pairs = exports.split_whitespace().filter_map(|pair| pair.split_once('='));
                variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            if line.starts_with("Ctrl-C") {
                return Self { up, _told: told, variables };
            }
            line.clear();
        }
        panic!("catnap up ended before it said how it is reached: {:?}", up.wait());
    }

    /// The names of its resource groups.
    async fn groups(&self) -> Vec<String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let variable = |name: &str| self.variables[name].clone();
        let endpoint: url::Url = variable("CATNAP_ARM_ENDPOINT").parse().unwrap();
        let ca = std::fs::read_to_string(variable("CATNAP_ARM_CA")).unwrap();
        let who = ClientSecret {
            authority: variable("AZURE_AUTHORITY_HOST"),
            tenant: variable("AZURE_TENANT_ID"),
            client: variable("AZURE_CLIENT_ID"),
            secret: variable("AZURE_CLIENT_SECRET"),
        };
        let credential = ClientSecretCredential::new(who, &endpoint, Some(&ca)).unwrap();
        let client = ArmClient::new(endpoint, Some(&ca), Arc::new(credential), LabClock::real()).unwrap();
        let list = format!("/subscriptions/{}/resourceGroups", variable("AZURE_SUBSCRIPTION_ID"));
        let groups = client.list(&list, "2021-04-01").await.unwrap();
        groups.iter().filter_map(|group| group["name"].as_str().map(str::to_owned)).collect()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.up.id().cast_signed()), Signal::SIGINT);
        let _ = self.up.wait();
    }
}

#[tokio::test]
async fn scenarios_run_unchanged_against_an_azure_in_another_process() {
    let stand_in = StandIn::start();
    let before = stand_in.groups().await;
    let artefacts = tempfile::tempdir().unwrap();
    let folder = artefacts.path().to_str().unwrap();
    let scenarios = [
        "custom_vnet::nodes_land_in_the_subnet_their_node_class_names",
        "custom_vnet::several_node_classes_keep_to_their_own_subnets",
        "custom_vnet::the_default_subnet_can_be_named",
        "custom_vnet::trouble::nodes_outlive_the_loss_of_their_subnet",
    ];
    let arguments = [&["run", "--target", "azure", "--seed", "7", "--artefacts", folder][..], &scenarios].concat();
    let ran = catnap(&arguments).envs(&stand_in.variables).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    assert!(out.contains("3 passed, 0 failed, 1 skipped"), "{out}\n{err}");
    assert!(out.contains("the target azure has no region: it cannot decide about capacity"), "{out}");
    assert_eq!(stand_in.groups().await, before, "the scenarios have left resource groups behind");
}
