//! The `catnap` command as its user meets it: what it prints, what it leaves behind, how it ends. The suite is a shell
//! script with a scenario for every way of ending.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/suites")
}

/// The command in an empty folder, without any variable that would steer it.
fn catnap(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = steered(Path::new(env!("CARGO_BIN_EXE_catnap")));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Real parts are made ready before a run. Scenarios that are none do not need them, so all are given, and nothing is
/// built.
fn steered(executable: &Path) -> Command {
    let mut command = Command::new(executable);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CATNAP_") || name == "CARGO_PKG_NAME" {
            command.env_remove(name);
        }
    }
    for part in
        ["KARPENTER_AZURE", "KUBE_APISERVER", "KUBE_CONTROLLER_MANAGER", "KUBE_SCHEDULER", "KUBECTL", "ETCD", "KWOK"]
    {
        command.env(format!("CATNAP_{part}"), "/bin/sh");
    }
    let parts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parts");
    command.env("CATNAP_CRDS", parts).env("CATNAP_CACHE", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    let artefacts = folder.join("run");
    let mut all = vec!["run", "--artefacts", artefacts.to_str().unwrap()];
    let suites = fixtures();
    if !arguments.contains(&"--suites") {
        all.extend(["--suites", suites.to_str().unwrap()]);
    }
    all.extend(arguments);
    catnap(folder, &all).output().unwrap()
}

fn run(arguments: &[&str]) -> Output {
    run_in(tempfile::tempdir().unwrap().path(), arguments)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_closing_line_and_the_status_tell_how_it_went() {
    for (filters, closing, status) in [
        (&["fake::passes", "fake::skipped"][..], "1 passed, 0 failed, 1 skipped", 0),
        (&["fake::passes", "fake::fails", "fake::cannot_run"], "1 passed, 1 failed, 0 skipped", 1),
        (&["fake::passes", "fake::cannot_run"], "1 passed, 0 failed, 0 skipped", 2),
    ] {
        let output = run(filters);
        assert_eq!(out(&output).lines().last(), Some(closing), "{output:?}");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(!out(&output).contains('\u{1b}'), "colours in a pipe: {output:?}");
    }
}

/// Leaves what an earlier run would have left of scenarios that took so many seconds.
fn took(folder: &Path, scenarios: &[(&str, u32)]) {
    let line = |(scenario, seconds): &(&str, u32)| {
        let known = r#""result":"passed","message":"","started":"2020-11-21T06:33:00Z","facts":{}"#;
        format!(r#"{{"scenario":"fake::{scenario}",{known},"seconds":{seconds}}}"#) + "\n"
    };
    std::fs::create_dir(folder.join("earlier")).unwrap();
    std::fs::write(folder.join("earlier/results.jsonl"), scenarios.iter().map(line).collect::<String>()).unwrap();
}

/// The scenarios in the order in which they started.
fn started(output: &Output) -> Vec<String> {
    let text = out(output);
    let names = text.lines().filter_map(|line| line.strip_prefix("start")?.trim().strip_prefix("fake::"));
    names.map(str::to_owned).collect()
}

#[test]
fn of_several_combinations_each_learns_from_the_one_before_it_and_from_earlier_runs() {
    let folder = tempfile::tempdir().unwrap();
    took(folder.path(), &[("passes", 1), ("leaves_a_child", 60), ("hangs", 5)]);
    let versions = ["--provisioner-version", "1.6.3", "--provisioner-version", "1.7.1"];
    let filters = ["--jobs", "1", "--timeout", "1s", "fake::passes", "fake::leaves_a_child", "fake::hangs"];
    let output = run_in(folder.path(), &[&versions[..], &filters].concat());
    let started = started(&output);
    assert_eq!(started[..3], ["leaves_a_child", "hangs", "passes"], "{output:?}");
    assert_eq!((started.len(), started[3].as_str()), (6, "hangs"), "{output:?}");
}

#[test]
fn what_took_longest_starts_first_and_the_end_tells_what_all_cost() {
    let folder = tempfile::tempdir().unwrap();
    took(folder.path(), &[("passes", 3), ("reads_its_environment", 40), ("fails", 7)]);
    let filters = ["fake::passes", "fake::fails", "fake::skipped", "fake::reads_its_environment"];
    let output = run_in(folder.path(), &[&["--jobs", "1"], &filters[..]].concat());
    assert_eq!(started(&output), ["skipped", "reads_its_environment", "fails", "passes"], "{output:?}");
    let text = out(&output);
    let cost =
        "\ncost       6.0 core-seconds: kube-apiserver 4.5, etcd 1.5; 15.0 cluster minutes; 2 scenarios did not tell\n";
    assert!(text.contains(cost), "{text}");
    assert_eq!(text.lines().last(), Some("2 passed, 1 failed, 1 skipped"));
    // The list is for people, who look for a name.
    let list = out(&run_in(folder.path(), &[&["--list"], &filters[..]].concat()));
    let names: Vec<_> = list.lines().filter_map(|line| line.trim_end().strip_prefix("fake::")).collect();
    assert_eq!(names, ["passes", "fails", "skipped", "reads_its_environment"]);
}

#[test]
fn a_failure_is_told_in_full_with_the_command_that_repeats_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &["fake::fails", "--seed", "42", "--kubernetes", "1.33.13"]);
    let text = out(&output);
    assert!(text.contains("expected 3 nodes, saw 2") && text.contains("      node-1"), "{text}");
    let repeat = format!("run fake::fails --seed 42 --kubernetes 1.33.13 --suites {}", fixtures().to_str().unwrap());
    assert!(text.contains(&repeat), "{text}");
    assert!(folder.path().join("run/junit/TEST-fake.fails.xml").is_file());
    assert!(folder.path().join("run/fake.fails/output.log").is_file());

    // The command is fit to be pasted.
    let line = text.lines().find_map(|line| line.trim().strip_prefix("again:")).unwrap().trim().to_owned();
    let mut shell = steered(Path::new("sh"));
    let again = shell.args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    assert!(out(&again).contains("seed 42"), "{again:?}");
}

#[test]
fn junit_files_go_where_they_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &["--junit", "results", "fake::passes", "fake::fails"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let mut names: Vec<_> = std::fs::read_dir(folder.path().join("results"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["TEST-fake.fails.xml", "TEST-fake.passes.xml"]);
    let text = std::fs::read_to_string(folder.path().join("results/TEST-fake.passes.xml")).unwrap();
    assert!(text.contains("[[ATTACHMENT|run/fake.passes/history.jsonl]]"), "{text}");
}

/// `1`, which a run itself tells its scenarios, was refused by the command that they came from.
#[test]
fn a_switch_in_the_environment_is_on_by_any_word_that_does_not_say_off() {
    for (word, kept) in [("1", true), ("yes", true), ("0", false), ("no", false), ("", false)] {
        let folder = tempfile::tempdir().unwrap();
        let suites = fixtures();
        let arguments =
            ["run", "--artefacts", "run", "--suites", suites.to_str().unwrap(), "fake::reads_its_environment"];
        let mut command = catnap(folder.path(), &arguments);
        let output = command.env("CATNAP_KEEP", word).env("CATNAP_FRESH_CLUSTERS", word).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{word}: {output:?}");
        let told = std::fs::read_to_string(folder.path().join("run/fake.reads_its_environment/environment")).unwrap();
        assert_eq!(told.lines().any(|line| line == "CATNAP_KEEP=1"), kept, "{word}: {told}");
    }
}

#[test]
fn every_scenario_is_listed_on_a_line_of_its_own() {
    let output = run(&["--list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = out(&output);
    assert_eq!(text.lines().count(), 14, "{text}");
    assert!(text.lines().all(|line| line.starts_with("fake::")), "{text}");
    assert_eq!(out(&run(&["--list", "clean"])), "fake::cleans_up\n");
}

#[test]
fn a_seed_is_drawn_and_told_when_none_is_given() {
    let seed = || {
        let text = out(&run(&["fake::passes"]));
        text.lines().find_map(|line| line.strip_prefix("seed")).unwrap().trim().parse::<u64>().unwrap()
    };
    assert_ne!((seed(), seed()), (seed(), seed()));
}

#[test]
fn bad_input_is_met_with_one_error_that_names_it_and_status_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, missing) = (path("file"), path("missing"));
    for (arguments, error, help) in [
        (&["fake::pases"][..], "no scenario matches `fake::pases`", "fake::passes"),
        (&["--provisioner", &missing], "missing as the provisioner: No such file", "help: give the path"),
        (&["--provisioner", &file], "file as the provisioner: it is not executable", "chmod +x"),
        (&["--suites", &missing], "failed to use the suites in", "--suites"),
        (&["--junit", &format!("{file}/junit")], "failed to prepare the folder", "--junit"),
        (&["--jobs", "0"], "invalid value '0' for '--jobs <N>'", "at least 1"),
        (&["--timeout", "soon"], "invalid value 'soon' for '--timeout <TIME>'", "such as 90s"),
        (&["--seed", "seven"], "invalid value 'seven' for '--seed <N>'", "invalid digit"),
    ] {
        let output = run_in(folder.path(), arguments);
        let text = err(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.starts_with("error: ") && text.contains(error) && text.contains(help), "{arguments:?}: {text}");
        assert_eq!(out(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_folder_without_suites_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_in(folder.path(), &["--suites", folder.path().to_str().unwrap()]);
    assert!(err(&output).contains("holds no suite"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_copy_of_catnap_uses_the_suites_beside_it_and_says_so_when_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("catnap");
    // Copied by a process of its own: were the file open for writing here, a child that another test starts at that
    // moment would inherit it, and it could not be executed.
    let copied = Command::new("cp").args([env!("CARGO_BIN_EXE_catnap"), copy.to_str().unwrap()]).status().unwrap();
    assert!(copied.success());
    let start = || steered(&copy).args(["run", "passes"]).current_dir(folder.path()).output().unwrap();

    let output = start();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("there are no scenario suites") && err(&output).contains("--suites"), "{output:?}");

    let copied =
        Command::new("cp").arg("-r").arg(fixtures()).arg(folder.path().join("catnap-suites")).status().unwrap();
    assert!(copied.success());
    let output = start();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let latest = folder.path().join("artefacts/latest");
    assert!(latest.join("junit/TEST-fake.passes.xml").is_file(), "{output:?}");
}

#[test]
fn two_runs_at_a_time_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let suites = fixtures();
    let arguments = |artefacts: &'static str| {
        [
            "run",
            "--suites",
            suites.to_str().unwrap(),
            "--seed",
            "1",
            "--artefacts",
            artefacts,
            "fake::passes",
            "fake::hangs",
        ]
        .map(str::to_owned)
    };
    let start = |artefacts| {
        let arguments = arguments(artefacts);
        let mut command = catnap(folder.path(), &arguments.each_ref().map(String::as_str));
        command.args(["--timeout", "2s"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (first, second) = (start("a"), start("b"));
    wait_for(&folder.path().join("a/fake.hangs/progress.jsonl"));
    let third = start("a").wait_with_output().unwrap();
    assert_eq!(third.status.code(), Some(2), "{third:?}");
    assert!(err(&third).contains("in use by another run"), "{third:?}");
    for child in [first, second] {
        let output = child.wait_with_output().unwrap();
        assert_eq!(out(&output).lines().last(), Some("1 passed, 1 failed, 0 skipped"), "{output:?}");
    }
}

/// Starts a run of a scenario that waits for a signal, and comes back when it does so.
fn waiting_run(folder: &Path, scenario: &str) -> Child {
    let artefacts = folder.join("run");
    let (suites, filter) = (fixtures(), format!("fake::{scenario}"));
    let arguments = ["run", "--suites", suites.to_str().unwrap(), "--artefacts", artefacts.to_str().unwrap()];
    let mut command = catnap(folder, &arguments);
    command.args(["--jobs", "2", "fake::passes", &filter]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_for(&artefacts.join(format!("fake.{scenario}/progress.jsonl")));
    wait_for(&artefacts.join("junit/TEST-fake.passes.xml"));
    child
}

fn wait_for(path: &Path) {
    let patience = Instant::now();
    while !path.exists() {
        assert!(patience.elapsed() < Duration::from_secs(60), "{} does not come", path.display());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn an_interrupted_run_cleans_up_and_tells_what_it_has() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = tempfile::tempdir().unwrap();
        let child = waiting_run(folder.path(), "cleans_up");
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(folder.path().join("run/fake.cleans_up/cleaned").exists(), "{output:?}");
        let text = out(&output);
        assert!(
            text.contains("the run was interrupted") && text.ends_with("1 passed, 0 failed, 0 skipped\n"),
            "{text}"
        );
        assert!(folder.path().join("run/junit/TEST-fake.cleans_up.xml").exists());
    }
}

#[test]
fn a_second_interrupt_does_not_wait() {
    let folder = tempfile::tempdir().unwrap();
    let child = waiting_run(folder.path(), "stubborn");
    // Signals of one kind that are sent together arrive as one, so the second is of another kind.
    send(&child, Signal::SIGINT);
    send(&child, Signal::SIGTERM);
    let output = child.wait_with_output().unwrap();
    assert!(matches!(output.status.code(), Some(130 | 143)), "{output:?}");
}

#[test]
fn suites_of_another_machine_are_an_error_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("alien");
    std::fs::write(&suite, "\u{7f}ELF but not for us").unwrap();
    std::fs::set_permissions(&suite, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = run_in(folder.path(), &["--suites", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(err(&output).contains("failed to ask") && err(&output).contains("alien"), "{output:?}");
}

#[test]
fn help_shows_examples_and_the_exit_status() {
    let help = catnap(Path::new("/"), &["run", "--help"]).output().unwrap();
    for words in ["Examples:", "--junit", "--provisioner-version", "could not be run", "took longest start first"] {
        assert!(out(&help).contains(words), "{words}");
    }
}
