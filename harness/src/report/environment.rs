//! What a runner tells a scenario's process, through its environment. The same variables steer `cargo test` by hand.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;

use super::scenario::ScenarioId;
use crate::clock::ClockKind;

/// Which scenario the process is: `<suite>::<name>`.
pub const SCENARIO: &str = "CATNAP_SCENARIO";
/// The folder that everything recorded by the scenario goes to.
pub const ARTEFACTS: &str = "CATNAP_ARTEFACTS";
/// The number that everything random is drawn from.
pub const SEED: &str = "CATNAP_SEED";
/// Whether to keep the lab's folders after the scenario.
pub const KEEP: &str = "CATNAP_KEEP";
/// The target that labs are on.
pub const TARGET: &str = "CATNAP_TARGET";
/// How many labs may run on this machine at once; without it the labs decide by the processors.
pub const LABS: &str = "CATNAP_LABS";
/// A provisioner to run instead of one that catnap builds.
pub const PROVISIONER: &str = "CATNAP_PROVISIONER";
/// The version of the provisioner.
pub const PROVISIONER_VERSION: &str = "CATNAP_PROVISIONER_VERSION";
/// The version of Kubernetes.
pub const KUBERNETES_VERSION: &str = "CATNAP_KUBERNETES_VERSION";
/// Which clock labs have: `movable` or `real`.
pub const CLOCK: &str = "CATNAP_CLOCK";
/// For how long a scenario may wait in real time, for example `5m`.
pub const PATIENCE: &str = "CATNAP_PATIENCE";
/// Whether each lab makes control planes of its own instead of using those that earlier ones have left.
pub const FRESH_CLUSTERS: &str = "CATNAP_FRESH_CLUSTERS";
/// The name under which a run lends control planes. Only a runner sets it.
pub const LENDER: &str = "CATNAP_LENDER";
/// The file that lines about the scenario's progress are appended to. Only a runner sets it.
pub const PROGRESS: &str = "CATNAP_PROGRESS";
/// The command that repeats the scenario with the same seed.
pub const REPEAT: &str = "CATNAP_REPEAT";
/// The folder for JUnit files where no runner is there to write them.
pub const JUNIT: &str = "CATNAP_JUNIT";

/// What a scenario's process was told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScenarioEnvironment {
    /// Which scenario it is.
    pub scenario: Option<ScenarioId>,
    /// Where its records go.
    pub artefacts: Option<PathBuf>,
    /// What everything random is drawn from.
    pub seed: Option<u64>,
    /// Keep the lab's folders.
    pub keep: bool,
    /// The target that labs are on.
    pub target: Option<String>,
    /// How many labs may run on this machine at once.
    pub labs: Option<usize>,
    /// A provisioner's executable.
    pub provisioner: Option<PathBuf>,
    /// The provisioner's version.
    pub provisioner_version: Option<String>,
    /// The version of Kubernetes.
    pub kubernetes_version: Option<String>,
    /// Which clock labs have.
    pub clock: Option<ClockKind>,
    /// For how long a scenario may wait in real time.
    pub patience: Option<Duration>,
    /// Whether each lab makes control planes of its own.
    pub fresh_clusters: bool,
    /// The name under which the run lends control planes.
    pub lender: Option<String>,
    /// Where progress goes.
    pub progress: Option<PathBuf>,
    /// The command that repeats it.
    pub repeat: Option<String>,
}

/// A variable that cannot be understood: which, what it is set to, and what it may be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EnvironmentError(String);

impl ScenarioEnvironment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// When a variable is set to something that it cannot be.
    pub fn from_env() -> Result<Self, EnvironmentError> {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, EnvironmentError> {
        // A variable that is set to nothing is as good as none, as CI systems set them so.
        let lookup = |name: &'static str| lookup(name).filter(|value| !value.is_empty());
        let text = |name: &'static str| {
            let not_text =
                |value: OsString| EnvironmentError(format!("{name}={}: give text in UTF-8", value.to_string_lossy()));
            lookup(name).map(|value| value.into_string().map_err(not_text)).transpose()
        };
        let path = |name: &'static str| lookup(name).map(PathBuf::from);
        // As the command reads them with clap's `FalseyValueParser`, so that one word means the same to the command and to a scenario.
        let switch = |name: &'static str| {
            let on = |value: String| {
                !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off" | "n" | "f")
            };
            Ok(text(name)?.is_some_and(on))
        };
        let wrong = |name: &str, value: &str, expected: &str| EnvironmentError(format!("{name}={value}: {expected}"));
        let scenario = text(SCENARIO)?
            .map(|value| value.parse::<ScenarioId>().map_err(|error| EnvironmentError(format!("{SCENARIO}: {error}"))));
        let seed = text(SEED)?.map(|value| {
            let expected = format!("a seed is a whole number from 0 to {}", u64::MAX);
            value.parse::<u64>().map_err(|_| wrong(SEED, &value, &expected))
        });
        let labs = text(LABS)?.map(|value| {
            let expected = "give the number of labs that may run at once, at least 1";
            value.parse().ok().filter(|labs| *labs > 0).ok_or_else(|| wrong(LABS, &value, expected))
        });
        let clock = text(CLOCK)?
            .map(|value| value.parse::<ClockKind>().map_err(|error| EnvironmentError(format!("{CLOCK}: {error}"))));
        let patience = text(PATIENCE)?.map(|value| {
            let time = value.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
            time.ok_or_else(|| wrong(PATIENCE, &value, "give a time such as 90s, 5m or 1h30m"))
        });
        Ok(Self {
            scenario: scenario.transpose()?,
            artefacts: path(ARTEFACTS),
            seed: seed.transpose()?,
            keep: switch(KEEP)?,
            target: text(TARGET)?,
            labs: labs.transpose()?,
            provisioner: path(PROVISIONER),
            provisioner_version: text(PROVISIONER_VERSION)?,
            kubernetes_version: text(KUBERNETES_VERSION)?,
            clock: clock.transpose()?,
            patience: patience.transpose()?,
            fresh_clusters: switch(FRESH_CLUSTERS)?,
            lender: text(LENDER)?,
            progress: path(PROGRESS),
            repeat: text(REPEAT)?,
        })
    }

    /// The variables that tell this to a process. What is not known is not named, so that the process inherits it.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&'static str, OsString)> = Vec::new();
        let mut tell = |name, value: Option<OsString>| variables.extend(value.map(|value| (name, value)));
        tell(SCENARIO, self.scenario.as_ref().map(|id| id.to_string().into()));
        tell(ARTEFACTS, self.artefacts.clone().map(Into::into));
        tell(SEED, self.seed.map(|seed| seed.to_string().into()));
        tell(KEEP, self.keep.then(|| "1".into()));
        tell(TARGET, self.target.clone().map(Into::into));
        tell(LABS, self.labs.map(|labs| labs.to_string().into()));
        tell(PROVISIONER, self.provisioner.clone().map(Into::into));
        tell(PROVISIONER_VERSION, self.provisioner_version.clone().map(Into::into));
        tell(KUBERNETES_VERSION, self.kubernetes_version.clone().map(Into::into));
        tell(CLOCK, self.clock.map(|clock| clock.to_string().into()));
        tell(PATIENCE, self.patience.map(|patience| format!("{}s", patience.as_secs()).into()));
        tell(FRESH_CLUSTERS, self.fresh_clusters.then(|| "1".into()));
        tell(LENDER, self.lender.clone().map(Into::into));
        tell(PROGRESS, self.progress.clone().map(Into::into));
        tell(REPEAT, self.repeat.clone().map(Into::into));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<ScenarioEnvironment, EnvironmentError> {
        ScenarioEnvironment::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn what_the_runner_tells_is_what_the_scenario_reads() {
        let told = ScenarioEnvironment {
            scenario: Some(ScenarioId::new("custom_vnet", "a::b")),
            artefacts: Some("/a/b".into()),
            seed: Some(u64::MAX),
            keep: true,
            target: Some("embedded".into()),
            labs: Some(3),
            provisioner: Some("/bin/karpenter".into()),
            provisioner_version: Some("1.6.3".into()),
            kubernetes_version: Some("1.33.13".into()),
            clock: Some(ClockKind::Real),
            patience: Some(Duration::from_secs(1800)),
            fresh_clusters: true,
            lender: Some("catnap/lender/1".into()),
            progress: Some("/a/b/progress.jsonl".into()),
            repeat: Some("catnap run x --seed 1".into()),
        };
        let variables = told.variables();
        let read = ScenarioEnvironment::from_lookup(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
        });
        assert_eq!(read.unwrap(), told);
    }

    #[test]
    fn an_empty_environment_tells_nothing() {
        assert_eq!(read(&[]).unwrap(), ScenarioEnvironment::default());
        assert_eq!(read(&[(SEED, ""), (KEEP, "0"), (ARTEFACTS, "")]).unwrap(), ScenarioEnvironment::default());
        assert!(ScenarioEnvironment::default().variables().is_empty());
    }

    /// To the lab `no` was yes, and the command refused all words but `true` and `false`.
    #[test]
    fn a_switch_is_off_by_every_word_that_the_command_takes_for_off() {
        for word in ["0", "false", "no", "off", "n", "f", "No", "FALSE"] {
            let read = read(&[(KEEP, word), (FRESH_CLUSTERS, word)]).unwrap();
            assert!(!read.keep && !read.fresh_clusters, "{word}");
        }
        assert!(read(&[(KEEP, "1")]).unwrap().keep && read(&[(KEEP, "yes")]).unwrap().keep);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        for (name, value, error) in [
            (SEED, "seven", "CATNAP_SEED=seven: a seed is a whole number from 0 to 18446744073709551615"),
            (LABS, "0", "CATNAP_LABS=0: give the number of labs that may run at once, at least 1"),
            (CLOCK, "fast", "CATNAP_CLOCK: \"fast\" is no clock: say movable or real"),
            (PATIENCE, "long", "CATNAP_PATIENCE=long: give a time such as 90s, 5m or 1h30m"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), error);
        }
        assert!(read(&[(SCENARIO, "drift")]).unwrap_err().to_string().starts_with("CATNAP_SCENARIO: `drift` does not"));
    }
}
