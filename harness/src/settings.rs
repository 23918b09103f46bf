//! What a lab is told from outside: by the runner, or by whoever starts `cargo test`.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::ClockKind;
use crate::jobs::default_jobs;
use crate::report::{ScenarioEnvironment, ScenarioId, repeat_command};
use components::Versions;

/// For how long a scenario may wait in real time on this target, unless the user says otherwise.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// Where the control planes come from of a lab that makes them itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterSource {
    /// Each is made for the lab and goes with it.
    Fresh,
    /// From those that earlier labs of this process have left.
    ThisProcess,
    /// From those that earlier scenarios of a run have left: the name under which the run lends them.
    Run(String),
}

/// Settings of one lab, read from `CATNAP_*` variables.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The target that it is on; `None` for the first one. `CATNAP_TARGET`.
    pub target: Option<String>,
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
    /// It has no clusters, so that nothing is made ready that clusters are made of.
    pub azure_only: bool,
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
        ScenarioEnvironment::from_env().map(Self::of).map_err(|error| error.to_string())
    }

    fn of(told: ScenarioEnvironment) -> Self {
        let clock = told.clock.unwrap_or_default();
        let clusters = match told.lender {
            _ if told.fresh_clusters => ClusterSource::Fresh,
            Some(name) => ClusterSource::Run(name),
            None => ClusterSource::ThisProcess,
        };
        Self {
            target: told.target,
            scenario: told.scenario.unwrap_or_else(ScenarioId::of_this_test).to_string(),
            seed: told.seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000)),
            artefacts: told.artefacts,
            keep: told.keep,
            provisioner: told.provisioner,
            versions: Versions::chosen(told.kubernetes_version.as_deref(), told.provisioner_version.as_deref()),
            clock,
            patience: told.patience.unwrap_or(PATIENCE),
            begin: None,
            azure_only: false,
            clusters,
            slots: told.labs.unwrap_or_else(|| default_jobs(clock)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_runner_tells_is_what_a_lab_is_set_to() {
        let told = ScenarioEnvironment {
            scenario: Some(ScenarioId::new("drift", "field::a")),
            artefacts: Some("/a".into()),
            seed: Some(7),
            keep: true,
            labs: Some(3),
            provisioner: Some("/bin/karpenter".into()),
            provisioner_version: Some("v1.6.3".into()),
            kubernetes_version: Some("1.33.13".into()),
            clock: Some(ClockKind::Real),
            patience: Some(Duration::from_secs(60)),
            lender: Some("catnap/lender/1".into()),
            ..ScenarioEnvironment::default()
        };
        let settings = Settings::of(told.clone());
        assert_eq!((settings.scenario.as_str(), settings.seed, settings.slots), ("drift::field::a", 7, 3));
        assert_eq!((settings.artefacts, settings.keep), (told.artefacts.clone(), true));
        assert_eq!((settings.clock, settings.patience), (ClockKind::Real, Duration::from_secs(60)));
        assert_eq!((settings.provisioner, settings.versions.provisioner.as_str()), (told.provisioner.clone(), "1.6.3"));
        assert_eq!(settings.versions.kubernetes, "1.33.13");
        assert!(matches!(settings.clusters, ClusterSource::Run(name) if name == "catnap/lender/1"));
        let fresh = Settings::of(ScenarioEnvironment { fresh_clusters: true, ..told });
        assert!(matches!(fresh.clusters, ClusterSource::Fresh));
    }

    #[test]
    fn a_test_that_nobody_told_anything_has_its_own_name_and_the_defaults() {
        let settings = Settings::of(ScenarioEnvironment::default());
        assert!(settings.scenario.starts_with("catnap::"), "{}", settings.scenario);
        assert_eq!((settings.keep, settings.patience, settings.clock), (false, PATIENCE, ClockKind::default()));
        assert!(matches!(settings.clusters, ClusterSource::ThisProcess));
    }
}
