//! What a lab is told from outside: by the runner, or by whoever starts `cargo test`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::ClusterSource;
use crate::clock::ClockKind;
use crate::report::{environment, repeat_command};
use crate::runner::default_jobs;
use components::Versions;

/// For how long a scenario may wait in real time on this target, unless the user says otherwise.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Settings of one lab, read from `CATNAP_*` variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `<suite>::<scenario>`.
    pub scenario: String,
    /// Where everything random comes from. `CATNAP_SEED`, else drawn.
    pub seed: u64,
    /// Folder for what the scenario leaves behind. `CATNAP_ARTEFACTS`; without it a folder below cargo's target folder,
    /// which is removed after success.
    pub artefacts: Option<PathBuf>,
    /// Keep the lab's folder. `CATNAP_KEEP`.
    pub keep: bool,
    /// A provisioner of one's own. `CATNAP_PROVISIONER`.
    pub provisioner: Option<PathBuf>,
    /// Versions of the real parts. `CATNAP_KUBERNETES_VERSION`, `CATNAP_PROVISIONER_VERSION`.
    pub versions: Versions,
    /// Which clock it has. `CATNAP_CLOCK`, `movable` unless it says `real`.
    pub clock: ClockKind,
    /// For how long a scenario may wait in real time, where the clock cannot be moved. `CATNAP_PATIENCE`, else five
    /// minutes.
    pub patience: Duration,
    /// The date and time at which the lab begins; now unless given. Only where the clock can be moved.
    pub begin: Option<Timestamp>,
    /// Where its control planes come from. Those that earlier scenarios have left, unless `CATNAP_FRESH_CLUSTERS` is set.
    pub clusters: ClusterSource,
    /// Labs that may run on this machine at once. `CATNAP_LABS`, else by its cores, its memory and the clock.
    pub slots: usize,
}

impl Settings {
    /// Reads the environment of the running test.
    ///
    /// # Errors
    /// A sentence that names the variable whose value makes no sense.
    pub fn from_env() -> Result<Self, String> {
        let seed = match var("CATNAP_SEED") {
            Some(text) => text
                .parse()
                .map_err(|_| format!("CATNAP_SEED={text}: a seed is a whole number from 0 to {}", u64::MAX))?,
            None => rand::random_range(0..1_000_000_000),
        };
        let clock = match var("CATNAP_CLOCK") {
            Some(text) => text.parse().map_err(|error| format!("CATNAP_CLOCK: {error}"))?,
            None => ClockKind::default(),
        };
        let slots = match var("CATNAP_LABS") {
            Some(text) => text.parse().ok().filter(|&labs| labs > 0).ok_or_else(|| {
                format!("CATNAP_LABS={text}: give the number of labs that may run at once, at least 1")
            })?,
            None => default_jobs(clock),
        };
        let patience = match var("CATNAP_PATIENCE") {
            Some(text) => text
                .parse::<SignedDuration>()
                .ok()
                .and_then(|patience| Duration::try_from(patience).ok())
                .ok_or_else(|| format!("CATNAP_PATIENCE={text}: give a time such as 90s, 5m or 1h30m"))?,
            None => PATIENCE,
        };
        let fresh = var(environment::FRESH_CLUSTERS).is_some_and(|text| text != "0");
        let clusters = match var(environment::LENDER) {
            _ if fresh => ClusterSource::Fresh,
            Some(name) => ClusterSource::Run(name),
            None => ClusterSource::ThisProcess,
        };
        let (kubernetes, provisioner) = (var("CATNAP_KUBERNETES_VERSION"), var("CATNAP_PROVISIONER_VERSION"));
        let versions = Versions::chosen(kubernetes.as_deref(), provisioner.as_deref());
        Ok(Self {
            scenario: var("CATNAP_SCENARIO").unwrap_or_else(running_test),
            seed,
            artefacts: var("CATNAP_ARTEFACTS").map(PathBuf::from),
            keep: var("CATNAP_KEEP").is_some_and(|text| text != "0"),
            provisioner: var("CATNAP_PROVISIONER").map(PathBuf::from),
            versions,
            clock,
            patience,
            begin: None,
            clusters,
            slots,
        })
    }

    /// The command that runs this scenario again in the same way.
    #[must_use]
    pub fn again(&self) -> String {
        match self.scenario.parse() {
            Ok(id) => repeat_command(&id, self.seed),
            Err(_) => format!("CATNAP_SEED={}", self.seed),
        }
    }

    /// The provisioner, as reports name it: a path that was given, or the version.
    #[must_use]
    pub fn provisioner_name(&self) -> String {
        match &self.provisioner {
            Some(path) => path.display().to_string(),
            None => self.versions.provisioner.clone(),
        }
    }
}

fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `<suite>::<scenario>` of the test that runs on this thread: libtest names its threads after the tests, and cargo its
/// executables after the suites (`custom_vnet-1a2b3c4d5e6f7890`).
fn running_test() -> String {
    let exe = std::env::current_exe().ok();
    let stem = exe.as_ref().and_then(|exe| exe.file_stem()).and_then(|stem| stem.to_str()).unwrap_or("suite");
    let suite = match stem.rsplit_once('-') {
        Some((suite, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => suite,
        _ => stem,
    };
    format!("{suite}::{}", std::thread::current().name().unwrap_or("scenario"))
}
