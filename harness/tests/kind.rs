//! Scenarios on clusters of kind, and that nothing is left of them. Where there is no kind, no container runtime or no node
//! image, the tests are skipped with the reason.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use catnap::cluster::kind::KindTools;
use components::Versions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const SCENARIO: &str = "custom_vnet::nodes_land_in_the_subnet_their_node_class_names";

/// For how long what is on its way is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// Without any variable that would steer it, but those that say where kind is.
fn catnap(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catnap"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let stays = ["CATNAP_CACHE", "CATNAP_KIND", "CATNAP_KIND_IMAGE"].contains(&&*name);
        if name.starts_with("CATNAP_") && !stays {
            command.env_remove(&*name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Whether there is what a cluster is made of; says what is missing.
async fn is_possible() -> bool {
    let found = async { KindTools::find().await?.image(&Versions::default().kubernetes).await };
    match found.await {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

fn runtime(arguments: &[&str]) -> String {
    let program = std::env::var("KIND_EXPERIMENTAL_PROVIDER").unwrap_or_else(|_| "docker".to_owned());
    let output = Command::new(program).args(arguments).output().expect("the runtime can be run");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The containers, volumes and networks of a process's clusters.
fn of_process(process: u32) -> Vec<String> {
    let prefix = format!("catnap-{process}-");
    let containers = runtime(&["ps", "--all", "--format", "{{.Names}}"]);
    containers.lines().filter(|name| name.starts_with(&prefix)).map(str::to_owned).collect()
}

/// All networks of ours, and all volumes.
fn networks_and_volumes() -> (Vec<String>, Vec<String>) {
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let mut networks = lines(runtime(&["network", "ls", "--format", "{{.Name}}"]));
    networks.retain(|name| name == "catnap");
    (networks, lines(runtime(&["volume", "ls", "--quiet"])))
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{} s on, not yet: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One after the other: each looks at what the whole machine has.
#[tokio::test]
async fn a_scenario_runs_unchanged_on_kind_and_nothing_is_left_of_it_even_after_kill_9() {
    if !is_possible().await {
        return;
    }
    let before = networks_and_volumes();
    let artefacts = tempfile::tempdir().unwrap();
    let folder = artefacts.path().to_str().unwrap();
    let arguments = ["run", "--target", "kind", "--seed", "7", "--artefacts", folder, SCENARIO];
    let ran = catnap(&arguments).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && out.contains("1 passed, 0 failed, 0 skipped"), "{out}\n{err}");
    assert!(out.contains("1 made"), "{out}");
    assert_eq!(networks_and_volumes(), before, "the run has left something");

    let folder = tempfile::tempdir().unwrap();
    let arguments = [&arguments[..6], &[folder.path().to_str().unwrap(), "--no-build", SCENARIO]].concat();
    let mut run = catnap(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    until("the run has a container", || !of_process(run.id()).is_empty());
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGKILL).unwrap();
    run.wait().unwrap();
    let mut told = String::new();
    // Its scenario ends by itself; until then it has the other end.
    run.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    until("its container is gone", || of_process(run.id()).is_empty());
    until("its network and its volumes are gone", || networks_and_volumes() == before);
}

#[test]
fn without_kind_or_with_a_daemon_that_does_not_answer_a_run_says_so_and_ends_with_2() {
    let no_kind = catnap(&["run", "--target", "kind", "--no-build", SCENARIO])
        .env("CATNAP_KIND", "/does/not/exist/kind")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&no_kind.stderr);
    assert_eq!(no_kind.status.code(), Some(2), "{said}");
    assert!(said.contains("CATNAP_KIND=/does/not/exist/kind") && said.contains("install kind"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    let kind = |version: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join("kind");
        std::fs::write(&path, format!("#!/bin/sh\necho kind v{version} go1.26.0 linux/amd64\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let run = |version: &str, further: &[(&str, &str)]| {
        let mut command = catnap(&["run", "--target", "kind", "--no-build", SCENARIO]);
        let output = command.env("CATNAP_KIND", kind(version)).envs(further.iter().copied()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = run("0.20.0", &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("is kind 0.20.0; install kind"), "{said}");
    let (code, said) = run("0.32.0", &[("KIND_EXPERIMENTAL_PROVIDER", "no-such-runtime")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("the program no-such-runtime is not on PATH"), "{said}");
    if which::which("docker").is_ok() {
        let (code, said) = run("0.32.0", &[("DOCKER_HOST", "unix:///does/not/exist.sock")]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("the daemon of docker does not answer"), "{said}");
    }
}
