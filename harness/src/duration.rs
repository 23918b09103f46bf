//! Cluster time in words.

use std::time::Duration;

/// `n` seconds of cluster time.
#[must_use]
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` minutes of cluster time.
#[must_use]
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// `n` hours of cluster time.
#[must_use]
pub const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

/// `n` days of cluster time.
#[must_use]
pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 3600)
}

/// A duration as people write it: `900ms`, `90s`, `5m`, `1h`, `1h30m`, `2d3h`; parts below the two largest are left out
/// where they would be noise.
pub(crate) fn readable(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{}ms", duration.as_millis());
    }
    if seconds < 120 && !seconds.is_multiple_of(60) {
        return format!("{seconds}s");
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let parts = units.map(|(length, unit)| {
        let number = left / length;
        left %= length;
        (number, unit)
    });
    let said = parts.iter().skip_while(|(number, _)| *number == 0).take(2).filter(|(number, _)| *number > 0);
    said.map(|(number, unit)| format!("{number}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (length, text) in [
            (Duration::from_millis(900), "900ms"),
            (seconds(90), "90s"),
            (seconds(60), "1m"),
            (minutes(5), "5m"),
            (minutes(90), "1h30m"),
            (hours(24), "1d"),
            (hours(51) + seconds(7), "2d3h"),
            (seconds(125), "2m5s"),
        ] {
            assert_eq!(readable(length), text);
        }
    }
}
