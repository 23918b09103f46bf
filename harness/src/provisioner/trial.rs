//! Trials with stand-in programs, and with the real provisioner.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::clock::LabClock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::environment::tests::world;
use super::*;
use crate::cluster::Identity;
use crate::history::{Event, History};
use crate::node::trial;
use crate::process::Processes;
use crate::test_support::binaries;

struct Room {
    folder: tempfile::TempDir,
    history: History,
    processes: Processes,
}

fn room() -> Room {
    let folder = tempfile::tempdir().expect("folder");
    let history = History::new(LabClock::real(), None).expect("history");
    let processes = Processes::new(folder.path().join("logs"), history.clone()).expect("processes");
    Room { folder, history, processes }
}

impl Room {
    fn program(&self, script: &str) -> PathBuf {
        let path = self.folder.path().join("program");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
        path
    }

    async fn refused(&self, settings: ProvisionerSettings) -> ProvisionerError {
        let started = Provisioner::start(&self.processes, world(), settings).await;
        started.map(drop).expect_err("it does not start")
    }

    async fn refusal(&self, settings: ProvisionerSettings) -> String {
        self.refused(settings).await.to_string()
    }

    fn messages(&self, level: &str) -> Vec<String> {
        let of = |event: &Event| match event {
            Event::Provisioner { level: found, message, .. } if found == level => Some(message.clone()),
            _ => None,
        };
        self.history.since(0).iter().filter_map(|record| of(&record.event)).collect()
    }
}

fn settings(program: &Path) -> ProvisionerSettings {
    ProvisionerSettings::new(program, "1.7.1".parse().expect("version"))
}

#[tokio::test]
async fn a_program_that_panics_is_explained_and_recorded() {
    let room = room();
    let program =
        room.program("echo 'panic: runtime error: slice bounds out of range [:33] with length 9' >&2; exit 2");
    let refusal = room.refusal(settings(&program)).await;
    assert!(refusal.contains("shorter than 33 characters"), "{refusal}");
    assert!(refusal.contains("exited with status 2"), "{refusal}");
    assert_eq!(room.messages("panic").len(), 1);
}

#[tokio::test]
async fn a_panic_above_many_stacks_is_explained() {
    let room = room();
    let program = room.program("echo 'panic: getting VNET GUID: 403' >&2; seq 300; exit 2");
    let refusal = room.refusal(settings(&program)).await;
    assert!(refusal.contains("could not read the virtual network of VNET_SUBNET_ID"), "{refusal}");
}

#[tokio::test]
async fn a_program_that_is_no_provisioner_is_told_from_one_that_panics() {
    let room = room();
    for (script, none) in [("echo usage: program; exit 64", true), ("echo 'panic: something new' >&2; exit 2", false)] {
        let refused = room.refused(settings(&room.program(script))).await;
        assert_eq!(refused.is_no_provisioner(), none, "{refused}");
    }
    assert!(room.refused(settings(Path::new("/nonexistent/karpenter"))).await.is_no_provisioner());
}

#[tokio::test]
async fn a_program_that_ends_at_once_or_cannot_run_is_named() {
    let room = room();
    let program = room.program("echo bye");
    let refusal = room.refusal(settings(&program)).await;
    assert!(refusal.contains("exited with status 0 before it was ready") && refusal.contains("bye"), "{refusal}");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o644)).expect("not executable");
    let refusal = room.refusal(settings(&program)).await;
    assert!(refusal.contains("is not executable"), "{refusal}");
    let refusal = room.refusal(settings(Path::new("/nonexistent/karpenter"))).await;
    assert!(refusal.contains("/nonexistent/karpenter"), "{refusal}");
}

#[tokio::test]
async fn a_short_endpoint_is_refused_before_the_start() {
    let room = room();
    let mut world = world();
    world.cluster.fqdn = "lab.hcp.eastus.azmk8s.io".into();
    let started = Provisioner::start(&room.processes, world, settings(&room.program("exit 0"))).await;
    let refusal = started.map(drop).expect_err("refused").to_string();
    assert!(refusal.contains("lab.hcp.eastus.azmk8s.io is shorter than 33"), "{refusal}");
}

/// Gives a token to whoever asks, as the managed-identity endpoint does.
async fn token_endpoint() -> url::Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}/msi/token", listener.local_addr().expect("address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                let body = r#"{"access_token":"t","expires_on":"4102444800","resource":"r","token_type":"Bearer"}"#;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
                let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    url.parse().expect("url")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_provisioner_starts_stops_and_starts_again() {
    let plane = trial::plane().await;
    let room = Room { folder: plane.folder, history: plane.history, processes: plane.processes };
    let mut world = world();
    world.api_server = plane.control_plane.url().parse().expect("url");
    world.api_server_ca = plane.control_plane.ca_pem().to_owned();
    world.kubeconfig = plane.control_plane.kubeconfig_path(Identity::Provisioner);
    world.arm_ca = room.folder.path().join("ca.pem");
    std::fs::write(&world.arm_ca, plane.control_plane.ca_pem()).expect("written");
    world.identity_endpoint = token_endpoint().await;
    let settings = settings(&binaries().karpenter);

    // Its virtual network cannot be read: nothing listens where ARM should.
    let started = Provisioner::start(&room.processes, world.clone(), settings.clone()).await;
    let refusal = started.map(drop).expect_err("it does not start").to_string();
    assert!(refusal.contains("it could not read the virtual network of VNET_SUBNET_ID"), "{refusal}");
    assert!(room.messages("panic").iter().any(|message| message.contains("VNET GUID")), "{:?}", room.messages("panic"));

    let given = settings.env("VNET_GUID", "00000000-0000-0000-0000-0000000000d1");
    let provisioner = Provisioner::start(&room.processes, world.clone(), given.clone()).await.expect("starts");
    assert!(!room.messages("error").iter().any(|message| message.contains("root CA")), "{:?}", room.messages("error"));
    assert!(!room.messages("info").is_empty() && !room.messages("debug").is_empty());
    let first = provisioner.child().await.expect("runs");
    provisioner.restart().await.expect("starts again");
    assert!(first.exit().is_some());
    assert_ne!(provisioner.child().await.expect("runs").pid(), first.pid());
    provisioner.stop().await.expect("ran");
    assert!(provisioner.exited().await.is_none());

    let unknown = room.refusal(given.arg("--kubeconfig=x")).await;
    assert!(unknown.contains("it does not know one of its arguments"), "{unknown}");
}
