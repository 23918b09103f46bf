//! All child processes of one lab.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use parking_lot::{Mutex, MutexGuard};

use super::child::About;
use super::scratch::{self, Scratch};
use super::{Child, ChildSpec, Meter, Neighbour, ProcessError, ProcessTime, launch, namespace};
use crate::history::{Event, History};
use leash::Guardian;

/// Lines of a log that an error shows.
const TAIL: usize = 20;

/// Between two questions of a probe.
const PAUSE: Duration = Duration::from_millis(10);

/// The child processes of a lab and its temporary folder. Clones share them; with the last clone all processes are
/// killed and the folder is removed, which is waited for. The same happens through the guardian and the kernel when
/// the harness ends without dropping anything: by Ctrl-C or SIGTERM (whose default action is left in place), by a
/// panic that aborts, by `kill -9`.
///
/// ```no_run
/// # async fn example(history: catnap::history::History) -> Result<(), catnap::process::ProcessError> {
/// use catnap::process::{ChildSpec, PortLease, Probe, Processes};
///
/// let processes = Processes::new("artefacts/lab", history)?;
/// let spec = ChildSpec::new("web", "/usr/bin/python3").args(["-m", "http.server", "18080"]);
/// let web = processes.start(spec.ready(Probe::http("http://127.0.0.1:18080/"))).await?;
/// web.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Processes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    logs: PathBuf,
    history: History,
    // Dropped before the guardian's pipe is closed, see `Drop`.
    scratch: Scratch,
    guardian: Arc<Guardian>,
    family: Mutex<Family>,
}

#[derive(Debug, Default)]
struct Family {
    children: Vec<Child>,
    /// What works for the lab and is not its own.
    neighbours: Vec<(Neighbour, Option<Meter>)>,
    folders: HashMap<String, u32>,
    stopping: bool,
    /// CPU time, by name, of those that ended and are not among the children any more.
    past: BTreeMap<String, Duration>,
}

impl Family {
    /// Forgets the children that ended, except for what they used.
    fn forget_ended(&mut self) {
        for child in self.children.extract_if(.., |child| child.exit().is_some()) {
            if let Some(used) = child.cpu_time() {
                *self.past.entry(child.name().to_owned()).or_default() += used;
            }
        }
    }
}

impl Processes {
    /// Processes whose logs go to `logs` (made if it is not there) as `<name>.log` and whose coming and going goes to
    /// `history`.
    ///
    /// # Errors
    /// When one of the folders cannot be made, or the guardian cannot be started.
    pub fn new(logs: impl Into<PathBuf>, history: History) -> Result<Self, ProcessError> {
        let logs = logs.into();
        std::fs::create_dir_all(&logs).map_err(|source| ProcessError::Log { path: logs.clone(), source })?;
        let logs = std::path::absolute(&logs).map_err(|source| ProcessError::Log { path: logs.clone(), source })?;
        scratch::sweep();
        raise_file_limit();
        let path = scratch::choose();
        // The guardian first, so that the folder is never without one.
        let guardian = Guardian::over(&path)
            .map_err(|source| ProcessError::Spawn { name: "the guardian, /bin/sh".to_owned(), source })?;
        let scratch = Scratch::create(&path).map_err(|source| {
            guardian.dismiss();
            ProcessError::Scratch { path, source }
        })?;
        let family = Mutex::default();
        Ok(Self(Arc::new(Inner { logs, history, scratch, guardian: Arc::new(guardian), family })))
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> &Path {
        &self.0.logs
    }

    /// The record that the processes' coming and going is written to.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// The lab's temporary folder: short enough for Unix sockets, readable by its owner only, gone with the lab.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.0.scratch.path()
    }

    /// A new folder in the temporary one, named `name` or, where that is taken, `name-2` and so on.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf, ProcessError> {
        let path = self.scratch().join(self.free_folder(name));
        std::fs::create_dir(&path).map_err(|source| ProcessError::Scratch { path: path.clone(), source })?;
        Ok(path)
    }

    /// Starts a process and waits until it is ready. One that does not become ready is killed, also when the caller
    /// loses its patience and drops the future.
    ///
    /// # Errors
    /// When it cannot be run, ends before it is ready, or is not ready in time.
    pub async fn start(&self, spec: ChildSpec) -> Result<Child, ProcessError> {
        let began = Instant::now();
        let (probe, within) = (spec.probe.clone(), spec.ready_within);
        let question = probe.question().map_err(|problem| ProcessError::Probe { name: spec.name.clone(), problem })?;
        let child = self.spawn(spec)?;
        let unready = Unready(Some(&child));

        let answer = Mutex::new("it was not asked".to_owned());
        let asked = async {
            while let Err(said) = question().await {
                *answer.lock() = said;
                tokio::time::sleep(PAUSE).await;
            }
        };
        let outcome = tokio::select! {
            biased;
            error = child.clock_refused() => {
                child.kill().await;
                Err(ProcessError::Clock { name: child.name().to_owned(), source: error })
            }
            exit = child.exited() => Err(ProcessError::ExitedEarly {
                name: child.name().to_owned(),
                exit,
                log: child.log().to_owned(),
                tail: child.log_tail(TAIL),
            }),
            () = asked => {
                self.record(child.name(), format!("ready after {} ms", began.elapsed().as_millis()));
                Ok(child.clone())
            }
            () = tokio::time::sleep(within) => {
                child.kill().await;
                Err(ProcessError::NotReady {
                    name: child.name().to_owned(),
                    within,
                    answer: answer.lock().clone(),
                    log: child.log().to_owned(),
                    tail: child.log_tail(TAIL),
                })
            }
        };
        unready.disarm();
        outcome
    }

    fn spawn(&self, mut spec: ChildSpec) -> Result<Child, ProcessError> {
        check_executable(&spec)?;
        let name = self.free_name(&spec.name);
        let wrapper = match &spec.service_account {
            Some(files) => {
                let folder = self.folder(&format!("{name}-mounts"))?;
                namespace::wrapper(files, &folder)
                    .map_err(|source| ProcessError::Namespaces { name: name.clone(), source })?
            }
            None => Vec::new(),
        };
        let log = self.0.logs.join(format!("{name}.log"));
        let output = open_log(&log)?;
        let failed = |source| ProcessError::Spawn { name: name.clone(), source };

        let clock = self.0.history.clock().page().filter(|_| spec.time != ProcessTime::Machine);
        // From birth until it is in the family, so that whoever ends the family ends all of it.
        let mut family = self.family();
        if family.stopping {
            return Err(ProcessError::Stopping { name });
        }
        if clock.is_some() {
            in_moving_time(&mut spec.environment);
        }
        let gated = launch::launch(&spec, &wrapper, &output, self.scratch(), clock.as_deref()).map_err(failed)?;
        if let Err(source) = self.0.guardian.start(gated.pid()) {
            gated.abandon();
            return Err(failed(source));
        }
        self.record(&name, format!("started as {}", gated.pid()));
        let about = About {
            name: name.clone(),
            program: std::path::absolute(&spec.program).map_err(failed)?,
            log,
            grace: spec.grace,
            ports: spec.ports,
            clock,
            time: spec.time,
        };
        let child = Child::watch(gated, about, self.0.history.clone(), self.0.guardian.clone()).map_err(failed)?;
        family.forget_ended();
        family.children.push(child.clone());
        Ok(child)
    }

    /// The running processes, in the order of their start.
    #[must_use]
    pub fn running(&self) -> Vec<Child> {
        self.family().children.iter().filter(|child| child.exit().is_none()).cloned().collect()
    }

    /// Counts processes of somebody else's in, which work for this lab from here on: their rest is the lab's, they are woken
    /// with it, and what they use from now on is its cost.
    pub(crate) fn work_with(&self, neighbours: &[Neighbour]) {
        let metered = neighbours.iter().map(|neighbour| (neighbour.clone(), Meter::of(neighbour.pid)));
        self.family().neighbours.extend(metered);
    }

    /// They work for the lab no more. What they said meanwhile stays with the lab's logs.
    pub(crate) fn part_from(&self, neighbours: &[Neighbour]) {
        let mut family = self.family();
        let is_gone = |known: &Neighbour| neighbours.iter().any(|gone| gone.pid == known.pid);
        let (gone, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut family.neighbours).into_iter().partition(|(known, _)| is_gone(known));
        family.neighbours = left;
        for (neighbour, meter) in gone {
            if let Some(meter) = meter {
                *family.past.entry(neighbour.name.clone()).or_default() += meter.used();
            }
            if let Err(error) = neighbour.keep_log(&self.0.logs) {
                tracing::debug!(name = neighbour.name, %error, "its log is not kept");
            }
        }
    }

    /// The processes of somebody else's that work for this lab.
    #[must_use]
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        self.family().neighbours.iter().map(|(neighbour, _)| neighbour.clone()).collect()
    }

    /// The CPU time, user and system, that was used so far, by name: by the processes that run, by those that ended, and by
    /// those of somebody else's that work or worked for the lab. One whose time the system does not tell is not there.
    #[must_use]
    pub fn cpu_time(&self) -> BTreeMap<String, Duration> {
        let family = self.family();
        let mut all = family.past.clone();
        let children = family.children.iter().filter_map(|child| Some((child.name(), child.cpu_time()?)));
        let metered =
            |(neighbour, meter): &(Neighbour, Option<Meter>)| Some((neighbour.name.clone(), meter.as_ref()?.used()));
        let others: Vec<_> = family.neighbours.iter().filter_map(metered).collect();
        let others = others.iter().map(|(name, used)| (name.as_str(), *used));
        for (name, used) in children.chain(others) {
            *all.entry(name.to_owned()).or_default() += used;
        }
        all
    }

    /// Asks all to end, the last started first, each with its grace. What is started later still ends with the lab.
    pub async fn stop(&self) {
        for child in self.running().iter().rev() {
            child.stop().await;
        }
    }

    /// Ends all at once and for good, without asking them, and removes the temporary folder: what dropping the last
    /// clone does, for an owner who cannot wait for that. Blocks until they are gone.
    pub fn end_now(&self) {
        self.0.end_now();
    }

    fn record(&self, name: &str, message: String) {
        self.0.history.record(Event::Process { name: name.to_owned(), message });
    }

    /// `name`, or `name-2` and so on while another process of that name runs: one that is started again goes by the
    /// same name and appends to the same log.
    fn free_name(&self, name: &str) -> String {
        let running = self.running();
        let taken = |name: &String| running.iter().any(|child| child.name() == name);
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    fn free_folder(&self, name: &str) -> String {
        let mut family = self.family();
        let count = family.folders.entry(name.to_owned()).or_default();
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}-{count}") }
    }

    fn family(&self) -> MutexGuard<'_, Family> {
        self.0.family.lock()
    }
}

/// A process that nobody was told of yet.
struct Unready<'a>(Option<&'a Child>);

impl Unready<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Unready<'_> {
    fn drop(&mut self) {
        if let Some(child) = self.0 {
            child.kill_now();
        }
    }
}

impl Inner {
    /// Kills and reaps all, removes the folder. A second time there is nothing left to do.
    fn end_now(&self) {
        let children = {
            let mut family = self.family.lock();
            family.stopping = true;
            family.children.clone()
        };
        for child in children.iter().rev() {
            child.kill_now();
        }
        for child in &children {
            // SIGKILL is late only for a process that the kernel itself keeps waiting.
            child.block_until_gone(Duration::from_secs(10));
        }
        // The guardian removes the folder, so that there is one way to do it and each run tries it.
        self.guardian.dismiss();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end_now();
    }
}

/// The Go runtime collects garbage every two minutes in any case, which in a day that goes by in a minute is most of
/// what it does. It leaves that where it is told to collect only when memory gets scarce.
fn in_moving_time(environment: &mut Vec<(OsString, OsString)>) {
    let mut set = |name: &str, value: &str| {
        environment.retain(|(known, _)| known != name);
        environment.push((name.into(), value.into()));
    };
    set("GOGC", "off");
    set("GOMEMLIMIT", "512MiB");
}

/// The default of 1,024 open files, which is there for programs that use `select`, is little for several labs in one
/// process: each keeps a hundred open to see which of its threads run. Where it cannot be raised it stays.
fn raise_file_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let enough = hard.min(65_536);
        if soft < enough {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, enough, hard);
        }
    }
}

fn open_log(path: &Path) -> Result<File, ProcessError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|source| ProcessError::Log { path: path.to_owned(), source })
}

fn check_executable(spec: &ChildSpec) -> Result<(), ProcessError> {
    let problem = match std::fs::metadata(&spec.program) {
        Err(error) => Some(format!("cannot be read ({error})")),
        Ok(found) if !found.is_file() => Some("is not a file".to_owned()),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Some("is not executable".to_owned()),
        Ok(_) => None,
    };
    match problem {
        Some(problem) => {
            Err(ProcessError::NotExecutable { name: spec.name.clone(), path: spec.program.clone(), problem })
        }
        None => Ok(()),
    }
}
