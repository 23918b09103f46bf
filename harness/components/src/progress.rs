//! How far the fetching of a component is.

use std::time::Duration;

use super::{Component, Source};

/// News of one component that is being fetched. Comes with every change and about once a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The component.
    pub component: Component,
    /// Its version.
    pub version: String,
    /// Since its fetching began, waiting included.
    pub elapsed: Duration,
    /// What is being done.
    pub stage: Stage,
}

/// The stages a component goes through on its way into the cache, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Other components are being built; this machine has no room for one more at the same time.
    Queued,
    /// Another catnap is building the same.
    WaitingForOther {
        /// Its process id, where it is known.
        process: Option<u32>,
    },
    /// Source modules are being downloaded, or it is being found out what there is to compile.
    Downloading {
        /// Modules begun so far.
        modules: usize,
        /// Modules there are; most of them are needed.
        of: usize,
    },
    /// Packages are being compiled.
    Compiling {
        /// Packages begun.
        done: usize,
        /// Packages that were not compiled by an earlier build.
        total: usize,
        /// An estimate of the time that is left.
        left: Option<Duration>,
    },
    /// Every package is compiled, the programs are being linked.
    Linking,
    /// It is there.
    Done {
        /// Where it came from.
        source: Source,
    },
}

/// Estimates the time left from how long `done` of `total` took. Early on a guess would mislead more than it helps.
pub(super) fn time_left(done: usize, total: usize, spent: Duration) -> Option<Duration> {
    if done * 20 < total || spent < Duration::from_secs(5) || done == 0 {
        return None;
    }
    let left = total.saturating_sub(done);
    Some(spent.mul_f64(left as f64 / done as f64))
}

/// `48 s`, `2 min 5 s`.
#[must_use]
pub(super) fn words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_not_guessed_from_too_little() {
        assert_eq!(time_left(1, 100, Duration::from_secs(60)), None);
        assert_eq!(time_left(50, 100, Duration::from_secs(2)), None);
        assert_eq!(time_left(0, 0, Duration::from_secs(20)), None);
        assert_eq!(time_left(25, 100, Duration::from_secs(30)), Some(Duration::from_secs(90)));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(words(Duration::from_secs(48)), "48 s");
        assert_eq!(words(Duration::from_secs(125)), "2 min 5 s");
    }
}
