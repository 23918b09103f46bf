//! What a scenario cost: the CPU time that its processes used, and the cluster time that went by for it.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;
use std::time::{Duration, TryFromFloatSecsError};

use serde::{Deserialize, Serialize};

/// The CPU time of a scenario's processes by their names, and the cluster time that went by. Written as JSON it is
/// `{"core_seconds": {"etcd": 1.25}, "cluster_seconds": 900.0}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Costs {
    core_seconds: BTreeMap<String, Seconds>,
    cluster_seconds: Seconds,
}

impl Costs {
    /// The name of the scenario's own process, in which its lab and its fake Azure are too.
    pub const OWN_PROCESS: &'static str = "catnap";

    /// No CPU time yet, and the lab's time that went by from its beginning to its end.
    #[must_use]
    pub fn over(cluster_time: Duration) -> Self {
        Self { core_seconds: BTreeMap::new(), cluster_seconds: Seconds(cluster_time) }
    }

    /// Adds CPU time, user and system, of the process of this name. One that ran again or beside another (`karpenter-2`)
    /// counts under the name without the number.
    pub fn add(&mut self, process: &str, used: Duration) {
        let sum = self.core_seconds.entry(without_number(process).to_owned()).or_default();
        sum.0 = sum.0.saturating_add(used);
    }

    /// CPU time by process, the largest first.
    #[must_use]
    pub fn processes(&self) -> Vec<(&str, Duration)> {
        let mut processes: Vec<_> = self.core_seconds.iter().map(|(name, used)| (name.as_str(), used.0)).collect();
        processes.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        processes
    }

    /// CPU time of all processes.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.core_seconds.values().fold(Duration::ZERO, |sum, used| sum.saturating_add(used.0))
    }

    /// The lab's time that went by.
    #[must_use]
    pub fn cluster_time(&self) -> Duration {
        self.cluster_seconds.0
    }

    /// Core-seconds by process as people read them, the largest first: `kube-apiserver 4.1, karpenter 1.2`. What would
    /// read 0.0 is left out.
    #[must_use]
    pub fn told_processes(&self) -> String {
        let told = self.processes().into_iter().map(|(name, used)| (name, short(used.as_secs_f64())));
        let told: Vec<_> =
            told.filter(|(_, used)| used != "0.0").map(|(name, used)| format!("{name} {used}")).collect();
        told.join(", ")
    }

    /// Cluster time as people read it: `40.0 cluster seconds`, `15.2 cluster minutes`, `453 cluster hours`.
    #[must_use]
    pub fn told_cluster_time(&self) -> String {
        let seconds = self.cluster_time().as_secs_f64();
        let (number, unit) = match seconds {
            ..120.0 => (seconds, "seconds"),
            120.0..7200.0 => (seconds / 60.0, "minutes"),
            _ => (seconds / 3600.0, "hours"),
        };
        format!("{} cluster {unit}", short(number))
    }
}

/// CPU time as one line: `9.3 core-seconds: kube-apiserver 4.1, karpenter 1.2`.
impl fmt::Display for Costs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} core-seconds", short(self.total().as_secs_f64()))?;
        match self.told_processes().as_str() {
            "" => Ok(()),
            told => write!(f, ": {told}"),
        }
    }
}

impl AddAssign<&Self> for Costs {
    fn add_assign(&mut self, other: &Self) {
        for (name, used) in &other.core_seconds {
            self.add(name, used.0);
        }
        self.cluster_seconds.0 = self.cluster_seconds.0.saturating_add(other.cluster_seconds.0);
    }
}

impl<'a> Sum<&'a Self> for Costs {
    fn sum<I: Iterator<Item = &'a Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |mut sum, costs| {
            sum += costs;
            sum
        })
    }
}

/// A time as files hold it: a number of seconds, to the millisecond.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Seconds(pub Duration);

impl TryFrom<f64> for Seconds {
    type Error = TryFromFloatSecsError;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds).map(Self)
    }
}

impl From<Seconds> for f64 {
    fn from(Seconds(time): Seconds) -> Self {
        (time.as_secs_f64() * 1000.0).round() / 1000.0
    }
}

/// `karpenter` of `karpenter-2`.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((program, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => program,
        _ => name,
    }
}

/// Tenths matter in small numbers alone.
fn short(number: f64) -> String {
    // So that 99.97 reads 100 and not 100.0.
    if number < 99.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn costs(cluster: f64, processes: &[(&str, f64)]) -> Costs {
        let mut costs = Costs::over(seconds(cluster));
        processes.iter().for_each(|(name, used)| costs.add(name, seconds(*used)));
        costs
    }

    #[test]
    fn what_ran_again_counts_under_the_name_without_the_number() {
        let costs = costs(0.0, &[("karpenter", 1.0), ("karpenter-2", 0.5), ("karpenter-13", 0.25), ("etcd", 2.0)]);
        assert_eq!(costs.processes(), [("etcd", seconds(2.0)), ("karpenter", seconds(1.75))]);
        assert_eq!(costs.total(), seconds(3.75));
        for name in ["kube-apiserver", "etcd", "karpenter-", "karpenter-2b"] {
            assert_eq!(without_number(name), name);
        }
    }

    #[test]
    fn the_largest_is_named_first_and_what_is_next_to_nothing_is_not_named() {
        let told = |processes: &[(&str, f64)]| costs(0.0, processes).to_string();
        assert_eq!(
            told(&[("karpenter", 1.24), ("date", 0.04), ("kube-apiserver", 4.1), ("etcd", 1.24)]),
            "6.6 core-seconds: kube-apiserver 4.1, etcd 1.2, karpenter 1.2"
        );
        assert_eq!(
            told(&[("kube-apiserver", 1831.4), ("kwok", 99.97)]),
            "1931 core-seconds: kube-apiserver 1831, kwok 100"
        );
        assert_eq!(told(&[]), "0.0 core-seconds");
    }

    #[test]
    fn cluster_time_is_told_in_the_unit_that_fits() {
        for (cluster, told) in [
            (40.0, "40.0 cluster seconds"),
            (119.0, "119 cluster seconds"),
            (912.0, "15.2 cluster minutes"),
            (9000.0, "2.5 cluster hours"),
            (1_630_800.0, "453 cluster hours"),
        ] {
            assert_eq!(costs(cluster, &[]).told_cluster_time(), told);
        }
    }

    #[test]
    fn a_sum_is_of_each_process_and_of_the_cluster_time() {
        let all = [costs(60.0, &[("etcd", 1.0), ("kwok", 0.5)]), costs(30.0, &[("etcd", 2.0), ("catnap", 4.0)])];
        let sum: Costs = all.iter().sum();
        assert_eq!(sum, costs(90.0, &[("etcd", 3.0), ("kwok", 0.5), ("catnap", 4.0)]));
    }

    #[test]
    fn a_file_holds_seconds_to_the_millisecond_and_gives_them_back() {
        let text = serde_json::to_string(&costs(900.0, &[("etcd", 1.25), ("kwok", 0.123_456)])).unwrap();
        assert_eq!(text, r#"{"core_seconds":{"etcd":1.25,"kwok":0.123},"cluster_seconds":900.0}"#);
        assert_eq!(serde_json::from_str::<Costs>(&text).unwrap(), costs(900.0, &[("etcd", 1.25), ("kwok", 0.123)]));
        // No time is as long as that, and none is less than nothing; what holds them is refused and brings nothing down.
        for number in ["-1", "1e300"] {
            let text = format!(r#"{{"core_seconds":{{"etcd":{number}}},"cluster_seconds":1}}"#);
            assert!(serde_json::from_str::<Costs>(&text).is_err(), "{number}");
        }
    }

    #[test]
    fn a_sum_of_nonsense_is_no_panic() {
        let mut sum = Costs::over(Duration::MAX);
        sum.add("etcd", Duration::MAX);
        sum.add("kwok", Duration::MAX);
        let again = sum.clone();
        sum += &again;
        assert_eq!((sum.total(), sum.cluster_time()), (Duration::MAX, Duration::MAX));
    }
}
