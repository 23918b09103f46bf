//! CPU time of processes.

use std::time::Duration;

use parking_lot::Mutex;

/// Tells what a process that is not one of the lab's own children has used since the meter was made: one that was there
/// before the lab and goes on after it.
#[derive(Debug)]
pub struct Meter {
    pid: i32,
    /// Tells it from a later process with the same number.
    born: u64,
    before: Duration,
    /// What was seen at the last look.
    used: Mutex<Duration>,
}

impl Meter {
    /// A meter of the process with this number that counts from now on; `None` where there is no such process, or the
    /// system does not tell.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        let (born, before) = (birth_of(pid)?, cpu_time_of(pid)?);
        Some(Self { pid, born, before, used: Mutex::default() })
    }

    /// CPU time, user and system, of all its threads since the meter was made. Of a process that is gone it is what it had
    /// used at the last look: whoever ends one looks before.
    #[must_use]
    pub fn used(&self) -> Duration {
        let mut used = self.used.lock();
        // The birth comes second: where it is the right one, the time before it was the right one's too.
        if let (Some(now), Some(born)) = (cpu_time_of(self.pid), birth_of(self.pid))
            && born == self.born
        {
            *used = now.saturating_sub(self.before);
        }
        *used
    }
}

/// CPU time, user and system, that all threads of a process have used, also those that have ended. It is told until the
/// process is reaped; what it started counts for itself.
#[cfg(target_os = "linux")]
pub(super) fn cpu_time_of(pid: i32) -> Option<Duration> {
    use nix::time::{ClockId, clock_gettime};
    let clock = ClockId::pid_cpu_clock_id(nix::unistd::Pid::from_raw(pid)).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

/// No other system has clocks of other processes.
#[cfg(not(target_os = "linux"))]
pub(super) fn cpu_time_of(_pid: i32) -> Option<Duration> {
    None
}

/// CPU time, user and system, that this process has used.
pub(crate) fn own_cpu_time() -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let times = [usage.user_time(), usage.system_time()];
    let times = times.map(|time| {
        let (seconds, micros) = (u64::try_from(time.tv_sec()).ok()?, u64::try_from(time.tv_usec()).ok()?);
        Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
    });
    Some(times[0]? + times[1]?)
}

/// When a process was born, in the kernel's ticks since the start of the machine.
fn birth_of(pid: i32) -> Option<u64> {
    birth(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The field `starttime` of a `stat`: `12 (a name) S 1 …`. A name may hold spaces and parentheses.
fn birth(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    // The state, the first one here, is field 3; the birth is field 22.
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    /// A shell that works for a while whenever it is given a line, and says when it has.
    struct Worker {
        process: Child,
        answers: BufReader<std::process::ChildStdout>,
    }

    impl Worker {
        fn start() -> Self {
            let script = "while read -r line; do i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo done; done";
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut process = command.spawn().unwrap();
            let answers = BufReader::new(process.stdout.take().unwrap());
            Self { process, answers }
        }

        fn pid(&self) -> i32 {
            i32::try_from(self.process.id()).unwrap()
        }

        fn work(&mut self) {
            self.process.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
            self.answers.read_line(&mut String::new()).unwrap();
        }

        fn end(mut self) {
            drop(self.process.stdin.take());
            self.process.wait().unwrap();
        }
    }

    #[test]
    fn what_was_used_before_the_meter_does_not_count_and_what_was_seen_stays() {
        let mut worker = Worker::start();
        worker.work();
        let before = cpu_time_of(worker.pid()).unwrap();
        let meter = Meter::of(worker.pid()).unwrap();
        assert!(meter.used() < before / 2, "{:?} of {before:?}", meter.used());
        worker.work();
        let used = meter.used();
        assert!(used > before / 4, "{used:?} after {before:?}");
        let pid = worker.pid();
        worker.end();
        assert_eq!(cpu_time_of(pid), None);
        assert_eq!(meter.used(), used, "what was seen of it stays");
        assert!(Meter::of(pid).is_none());
    }

    #[test]
    fn another_process_with_the_same_number_is_not_taken_for_it() {
        let mut worker = Worker::start();
        let mut meter = Meter::of(worker.pid()).unwrap();
        // As if the number had been another's, that one older.
        meter.born -= 1;
        worker.work();
        assert_eq!(meter.used(), Duration::ZERO);
        worker.end();
    }

    #[test]
    fn a_birth_is_read_behind_any_name() {
        let fields: Vec<String> = (4..=24).map(|field| field.to_string()).collect();
        assert_eq!(birth(&format!("12 (a) R (b) S {}", fields.join(" "))), Some(22));
        assert_eq!(birth("12 (cut of"), None);
        assert_eq!(birth("12 (cut) S 4 5"), None);
    }

    #[test]
    fn this_process_has_used_what_its_clock_says() {
        let clock = || cpu_time_of(i32::try_from(std::process::id()).unwrap()).unwrap();
        let until = |end: Duration, mut work: Box<dyn FnMut()>| {
            while clock() < end {
                work();
            }
        };
        // More than a little of its own, and of the system's for it.
        let much = Duration::from_millis(200);
        until(clock() + much, Box::new(|| (0..10_000).for_each(|_| std::hint::spin_loop())));
        until(clock() + much, Box::new(|| drop(std::fs::read("/proc/self/stat").unwrap())));
        let before = clock();
        let own = own_cpu_time().unwrap();
        let after = clock();
        // Of threads that run on other processors the kernel knows the last ticks later.
        let ticks = Duration::from_millis(50);
        assert!(own + ticks >= before && own <= after + ticks, "{own:?} is not between {before:?} and {after:?}");
    }
}
