//! The level of one token bucket.

use std::time::Duration;

use jiff::Timestamp;

use crate::world::Bucket;

/// How full a bucket was when it was last looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meter {
    level: f64,
    at: Timestamp,
}

impl Meter {
    /// A rested bucket.
    pub(super) fn full(bucket: &Bucket, now: Timestamp) -> Self {
        Self { level: f64::from(bucket.size), at: now }
    }

    /// The level at `now`. A clock that goes back refills nothing.
    fn level(&self, bucket: &Bucket, now: Timestamp) -> f64 {
        let passed = now.duration_since(self.at).as_secs_f64().max(0.0);
        passed.mul_add(bucket.refill, self.level).min(f64::from(bucket.size))
    }

    /// How long until there is a whole token; `None` where there is one now.
    pub(super) fn wait(&self, bucket: &Bucket, now: Timestamp) -> Option<Duration> {
        let level = self.level(bucket, now);
        // Tenths of seconds add up to a whole token with a rounding error.
        let missing = 1.0 - level;
        if missing < 1e-6 {
            return None;
        }
        let seconds = if bucket.refill > 0.0 { missing / bucket.refill } else { f64::from(u32::MAX) };
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Takes a token; how many whole ones remain.
    pub(super) fn take(&mut self, bucket: &Bucket, now: Timestamp) -> u32 {
        self.level = (self.level(bucket, now) - 1.0).max(0.0);
        self.at = now.max(self.at);
        // A level is never negative and at most the bucket's size.
        (self.level + 1e-6) as u32
    }

    /// It is as good as new: nothing needs to be remembered of it.
    pub(super) fn is_rested(&self, bucket: &Bucket, now: Timestamp) -> bool {
        self.level(bucket, now) >= f64::from(bucket.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    proptest! {
        /// Whatever the times of the requests: in no stretch of time more pass than the bucket holds and regains.
        #[test]
        fn no_more_passes_than_the_bucket_gives(
            size in 1u32..20,
            refill in 0.1f64..20.0,
            gaps in prop::collection::vec(0u64..3000, 1..200),
        ) {
            let bucket = Bucket { size, refill };
            let mut meter = Meter::full(&bucket, START);
            let (mut now, mut passed) = (START, Vec::new());
            for gap in gaps {
                now += SignedDuration::from_millis(gap as i64);
                if meter.wait(&bucket, now).is_none() {
                    meter.take(&bucket, now);
                    passed.push(now);
                }
            }
            for (i, from) in passed.iter().enumerate() {
                for (j, to) in passed.iter().enumerate().skip(i) {
                    let seconds = to.duration_since(*from).as_secs_f64();
                    prop_assert!((j - i + 1) as f64 <= f64::from(size) + seconds * refill + 1e-3);
                }
            }
        }

        /// Whoever waits as long as he is told is let in.
        #[test]
        fn the_wait_is_long_enough(size in 1u32..5, refill in 0.05f64..50.0) {
            let bucket = Bucket { size, refill };
            let mut meter = Meter::full(&bucket, START);
            for _ in 0..size {
                prop_assert!(meter.wait(&bucket, START).is_none());
                meter.take(&bucket, START);
            }
            let wait = meter.wait(&bucket, START).unwrap();
            let later = START + SignedDuration::try_from(wait).unwrap();
            prop_assert!(meter.wait(&bucket, later).is_none());
            prop_assert!(!meter.is_rested(&bucket, START));
        }
    }
}
