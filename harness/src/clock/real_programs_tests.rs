//! The clock on real programs: one in Go, one in C.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::Signal;

use crate::clock::LabClock;
use crate::history::History;
use crate::process::{Child, ChildSpec, ProcessTime, Processes, probe_clock};

const MINUTE: Duration = Duration::from_secs(60);

/// A program built from the sources beside this file; `None` where its compiler is missing, which is said.
fn probe(language: &str) -> Option<PathBuf> {
    static BUILT: AtomicU32 = AtomicU32::new(0);
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    if let Err(refused) = probe_clock() {
        eprintln!("skipped: {refused}");
        return None;
    }
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path();
    let source = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/clock/probes"));
    let program = folder.join(format!("{language}-{}", BUILT.fetch_add(1, Ordering::Relaxed)));
    let mut command = match language {
        "go" => {
            let mut command = Command::new("go");
            command.args(["build", "-o"]).arg(&program).arg(source.join("probe.go"));
            command
        }
        _ => {
            let mut command = Command::new("cc");
            command.args(["-O1", "-o"]).arg(&program).arg(source.join("probe.c"));
            command
        }
    };
    match command.output() {
        Err(error) => {
            eprintln!("skipped: {:?}: {error}", command.get_program());
            None
        }
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(program)
        }
    }
}

struct Room {
    clock: LabClock,
    processes: Processes,
    _logs: tempfile::TempDir,
}

impl Room {
    fn new(begin: Option<Timestamp>) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let clock = LabClock::movable(begin).unwrap();
        let history = History::new(clock.clone(), None).unwrap();
        let processes = Processes::new(logs.path(), history).unwrap();
        Self { clock, processes, _logs: logs }
    }

    async fn start(&self, name: &str, program: &std::path::Path) -> Child {
        let child = self.processes.start(ChildSpec::new(name, program)).await.unwrap();
        said(&child, "begin", 1).await;
        child
    }

    fn advance(&self, by: Duration) {
        self.clock.page().unwrap().advance(by);
        let running = self.processes.running();
        running.iter().filter(|child| child.time() == ProcessTime::Lab).for_each(Child::wake);
    }
}

type Said = HashMap<String, i64>;

/// What the program said in the `nth` line that begins with `what`; waits for it.
async fn said(child: &Child, what: &str, nth: usize) -> Said {
    let begun = Instant::now();
    loop {
        let log = std::fs::read_to_string(child.log()).unwrap();
        let complete = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
        let line = complete.lines().filter(|line| line.split(' ').next() == Some(what)).nth(nth - 1);
        if let Some(line) = line {
            let pairs = line.split(' ').filter_map(|word| word.split_once('='));
            return pairs.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{what:?} was never said:\n{log}");
        assert_eq!(child.exit(), None, "{log}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn seconds(nanoseconds: i64) -> i64 {
    nanoseconds / 1_000_000_000
}

#[tokio::test]
async fn the_timers_of_a_go_program_go_off_when_time_is_moved() {
    let Some(program) = probe("go") else { return };
    let room = Room::new(None);
    let child = room.start("go", &program).await;

    room.advance(11 * MINUTE);
    let deadline = said(&child, "deadline", 1).await;
    assert!((660..675).contains(&seconds(deadline["elapsed"])), "{deadline:?}");
    said(&child, "tick", 1).await;
    room.advance(5 * MINUTE);
    for what in ["timer", "func", "slept"] {
        let said = said(&child, what, 1).await;
        assert!((960..980).contains(&seconds(said["elapsed"])), "{what}: {said:?}");
    }
    // A ticker that missed ticks drops them and goes on.
    let ticks = std::fs::read_to_string(child.log()).unwrap().matches("tick ").count();
    assert!(ticks <= 3, "{ticks}");
    room.advance(MINUTE);
    said(&child, "tick", ticks + 1).await;
    let log = std::fs::read_to_string(child.log()).unwrap();
    assert!(!log.contains("BACKWARDS"), "{log}");
}

#[tokio::test]
async fn what_has_real_timers_tells_the_labs_date_and_waits_in_the_machines_time() {
    let Some(program) = probe("go") else { return };
    let room = Room::new(None);
    let dated = room.processes.start(ChildSpec::new("dated", &program).with_real_timers()).await.unwrap();
    said(&dated, "begin", 1).await;
    let moved = room.start("moved", &program).await;
    room.advance(16 * MINUTE);
    // The control: time went by, and what waits for that is woken.
    said(&moved, "timer", 1).await;
    let lab = i64::try_from(room.clock.now().as_nanosecond()).unwrap();
    dated.signal(Signal::SIGUSR1);
    let asked = said(&dated, "asked", 1).await;
    assert!((0..10).contains(&seconds(asked["wall"] - lab)), "it is at {asked:?}, the lab was at {lab}");
    assert!((0..60).contains(&seconds(asked["elapsed"])), "{asked:?}");
    let log = std::fs::read_to_string(dated.log()).unwrap();
    let went_off = ["tick", "deadline", "func", "slept", "timer"].iter().find(|what| log.contains(**what));
    assert_eq!(went_off, None, "{log}");
}

#[tokio::test]
async fn time_that_is_moved_while_it_is_read_never_goes_back() {
    let Some(program) = probe("go") else { return };
    let room = Room::new(None);
    let child = room.start("go", &program).await;
    for _ in 0..2000 {
        room.advance(Duration::from_millis(17));
        tokio::task::yield_now().await;
    }
    child.signal(Signal::SIGUSR1);
    let asked = said(&child, "asked", 1).await;
    assert!((34..50).contains(&seconds(asked["elapsed"])), "{asked:?}");
    let log = std::fs::read_to_string(child.log()).unwrap();
    assert!(!log.contains("BACKWARDS"), "{log}");
}

#[tokio::test]
async fn all_clocks_of_all_processes_agree_and_cpu_time_is_left_alone() {
    let (Some(go), Some(c)) = (probe("go"), probe("c")) else { return };
    let room = Room::new(None);
    let first = room.start("c", &c).await;
    let before = said(&first, "begin", 1).await;
    room.advance(Duration::from_millis(90_061_500));
    // One that starts after a move begins at the lab's time.
    let (late, go) = (room.start("late", &c).await, room.start("go", &go).await);
    let lab = i64::try_from(room.clock.now().as_nanosecond()).unwrap();
    for child in [&first, &late, &go] {
        child.signal(Signal::SIGUSR1);
    }
    let (first, late, go) =
        (said(&first, "asked", 1).await, said(&late, "asked", 1).await, said(&go, "asked", 1).await);
    for wall in [first["wall"], late["wall"], go["wall"]] {
        assert!((0..10).contains(&seconds(wall - lab)), "the program is at {wall}, the lab was at {lab}");
    }
    for said in [&first, &late] {
        assert!((said["coarse"] - said["wall"]).abs() < 100_000_000, "{said:?}");
        assert!((said["day"] * 1000 - said["wall"]).abs() < 100_000_000, "{said:?}");
        assert!((said["time"] - seconds(said["wall"])).abs() <= 1 && said["same"] == 1, "{said:?}");
        assert!(seconds(said["cpu"]) < 2, "{said:?}");
    }
    let (wall, monotonic, boot) =
        (first["wall"] - before["wall"], first["monotonic"] - before["monotonic"], first["boot"] - before["boot"]);
    assert!(wall >= 90_061_500_000_000, "{wall}");
    assert!((wall - monotonic).abs() < 50_000_000 && (wall - boot).abs() < 50_000_000, "{wall} {monotonic} {boot}");
}

#[tokio::test]
async fn a_lab_begins_at_the_date_that_it_is_given_also_in_the_past() {
    let Some(program) = probe("c") else { return };
    let begin: Timestamp = "2024-02-29T23:59:50Z".parse().unwrap();
    let room = Room::new(Some(begin));
    let child = room.start("c", &program).await;
    let said = said(&child, "begin", 1).await;
    assert!((0..15).contains(&(seconds(said["wall"]) - begin.as_second())), "{said:?}");
    assert!((said["time"] - begin.as_second()).abs() < 15 && said["monotonic"] > 0, "{said:?}");
}

#[tokio::test]
async fn a_script_and_what_it_becomes_live_in_the_labs_time() {
    let Some(program) = probe("c") else { return };
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, format!("#!/bin/sh\necho before\nexec {} \"$@\"\n", program.display())).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let room = Room::new(None);
    room.advance(Duration::from_secs(86_400));
    let child = room.start("script", &script).await;
    let said = said(&child, "begin", 1).await;
    assert!((seconds(said["wall"]) - room.clock.now().as_second()).abs() < 10, "{said:?}");
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_told_like_any_other() {
    if probe_clock().is_err() {
        return;
    }
    let room = Room::new(None);
    let child = room.processes.start(ChildSpec::new("false", "/bin/false")).await.unwrap();
    assert_eq!(child.exited().await, crate::process::Exit::Status(1));
}
