//! A scenario's name, what became of it, and what is worth knowing about how it ran.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::cost::Costs;
use crate::source::SourcePlace;

/// The name of a scenario: the suite (a test binary) and the test in it. Written `suite::name`, where the name may
/// hold further `::` (modules, rstest cases).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScenarioId {
    suite: String,
    name: String,
}

/// A text that does not name a scenario.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` does not name a scenario: expected <suite>::<name>, such as custom_vnet::a_subnet_is_used")]
pub struct ScenarioIdError {
    text: String,
}

impl ScenarioId {
    /// The scenario `name` of the suite `suite`.
    #[must_use]
    pub fn new(suite: impl Into<String>, name: impl Into<String>) -> Self {
        Self { suite: suite.into(), name: name.into() }
    }

    /// The suite: `custom_vnet`.
    #[must_use]
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// The name within the suite, as libtest knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name that files and folders of this scenario carry: `custom_vnet.a_subnet_is_used`. Anything but letters,
    /// digits, `_` and `-` becomes a dot, so that it is safe on every file system and in every artefact store.
    #[must_use]
    pub fn file_stem(&self) -> String {
        let plain = |text: &str| {
            text.replace("::", ".").replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.'), ".")
        };
        format!("{}.{}", plain(&self.suite), plain(&self.name))
    }

    /// The scenario that the calling test is, where no runner told: the suite from the executable's name, the name
    /// from the thread, which libtest names after the test.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let thread = std::thread::current();
        let name = thread.name().filter(|name| *name != "main")?;
        Some(Self::new(Self::suite_of_this_process()?, name))
    }

    /// The same where a name is needed in any case: one that does not say which test it is, where the thread does not.
    pub(crate) fn of_this_test() -> Self {
        let suite = || Self::suite_of_this_process().unwrap_or_else(|| "suite".to_owned());
        Self::of_this_thread().unwrap_or_else(|| Self::new(suite(), "scenario"))
    }

    fn suite_of_this_process() -> Option<String> {
        let executable = std::env::current_exe().ok()?;
        let stem = executable.file_stem()?.to_str()?;
        // cargo appends a dash and 16 hexadecimal digits.
        let suite = match stem.rsplit_once('-') {
            Some((suite, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => suite,
            _ => stem,
        };
        Some(suite.to_owned())
    }
}

impl fmt::Display for ScenarioId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}", self.suite, self.name)
    }
}

impl From<ScenarioId> for String {
    fn from(id: ScenarioId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ScenarioId {
    type Error = ScenarioIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for ScenarioId {
    type Err = ScenarioIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("::") {
            Some((suite, name)) if !suite.is_empty() && !name.is_empty() => Ok(Self::new(suite, name)),
            _ => Err(ScenarioIdError { text: text.to_owned() }),
        }
    }
}

/// What became of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// Everything that was expected held.
    Passed {
        /// How many assertions were evaluated.
        assertions: usize,
    },
    /// Something that was expected did not hold, or the scenario died.
    Failed {
        /// One line: what was expected and what was seen.
        message: String,
        /// The whole story: the time line, the log, the panic.
        body: String,
    },
    /// The world that the scenario needs could not be had, so nothing is known about the provisioner.
    CouldNotRun {
        /// What was missing, where, and what to do.
        message: String,
    },
    /// What was expected did not hold, as is known of the version that ran.
    KnownFault {
        /// Its name in `suites/FINDINGS.md`.
        fault: String,
        /// One line: what was expected and what was seen.
        message: String,
    },
    /// The target lacks a capability that the scenario needs.
    Skipped {
        /// Which one.
        reason: String,
    },
}

impl Verdict {
    /// The one line that stands for the verdict; empty when it passed.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Passed { .. } => "",
            Self::Failed { message, .. } | Self::CouldNotRun { message } | Self::KnownFault { message, .. } => message,
            Self::Skipped { reason } => reason,
        }
    }
}

/// Facts about how a scenario ran, in the order they were told: `seed`, `target`, component versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts(Vec<(String, String)>);

impl Facts {
    /// Sets a fact; a later word on the same thing replaces the earlier one and keeps its place.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// A fact by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All facts in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// As an object, its members in the order in which they were told.
impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = serde_json::Map::deserialize(deserializer)?;
        let mut facts = Self::default();
        for (name, value) in members {
            let value = value.as_str().ok_or_else(|| D::Error::custom(format!("the fact {name} is no text")))?;
            facts.set(name, value);
        }
        Ok(facts)
    }
}

/// All that is known of a scenario when it has ended. As JSON, `verdict` and what belongs to it stand beside the rest, and
/// `seconds` say how long it took, to the millisecond.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioReport {
    /// Which one.
    #[serde(rename = "scenario")]
    pub id: ScenarioId,
    /// Where its source is, where that is known.
    pub place: Option<SourcePlace>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// When it started, by the wall clock.
    pub started: Timestamp,
    /// How long it took, by the wall clock.
    #[serde(rename = "seconds", with = "seconds")]
    pub took: Duration,
    /// How it ran.
    pub facts: Facts,
    /// What it cost, where it told.
    pub costs: Option<Costs>,
    /// Absolute paths of the files that belong to it: history, logs.
    pub attachments: Vec<PathBuf>,
    /// The last lines that it printed; empty unless they help to understand the verdict.
    pub output: String,
    /// The command that repeats it with the same seed; empty where nobody knows the seed.
    pub repeat: String,
}

/// A time as files hold it.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::report::Seconds;

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        Seconds(*time).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        Seconds::deserialize(deserializer).map(|Seconds(time)| time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_what_follows_the_first_separator() {
        let id: ScenarioId = "custom_vnet::fallback::case_1_default".parse().unwrap();
        assert_eq!(id.suite(), "custom_vnet");
        assert_eq!(id.name(), "fallback::case_1_default");
        assert_eq!(id.to_string(), "custom_vnet::fallback::case_1_default");
        assert_eq!(id.file_stem(), "custom_vnet.fallback.case_1_default");
    }

    #[test]
    fn a_name_without_a_suite_is_refused() {
        for text in ["", "custom_vnet", "::name", "suite::"] {
            let error = text.parse::<ScenarioId>().unwrap_err().to_string();
            assert!(error.contains("<suite>::<name>"), "{error}");
        }
    }

    #[test]
    fn the_scenario_of_this_thread_is_this_test() {
        let id = ScenarioId::of_this_thread();
        // With --test-threads=1 libtest runs tests on its main thread, which bears no test's name.
        if let Some(id) = id {
            assert_eq!(id.suite(), "catnap");
            assert_eq!(id.name(), "report::scenario::tests::the_scenario_of_this_thread_is_this_test");
        }
    }

    #[test]
    fn a_later_fact_replaces_the_earlier_one_in_place() {
        let mut facts = Facts::default();
        facts.set("seed", "1");
        facts.set("target", "embedded");
        facts.set("seed", "2");
        assert_eq!(facts.iter().collect::<Vec<_>>(), [("seed", "2"), ("target", "embedded")]);
        assert_eq!(facts.get("kind"), None);
    }
}
