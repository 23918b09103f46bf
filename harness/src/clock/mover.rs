//! Moving a lab's time on.

use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::LabClock;
use super::lab_clock::{Inner, after, duration};
use child_clock::Activity;

/// How long nothing has to happen after something that deserved real time, in real time. Short timers of the programs
/// (retries, rates, batches) go off by themselves in it.
const QUIET_FOR: Duration = Duration::from_millis(25);

/// The first move after something happened. Further ones grow with the time that nothing has happened for, up to what
/// the lab bears: what goes off within a move goes off at its end, so it is late by a part of the wait, never by a
/// multiple.
const FIRST_MOVE: Duration = Duration::from_millis(100);

/// A move is no longer than this part of the time since something happened, and of the time that is left until somebody
/// wants to be woken.
const MAX_FRACTION: u32 = 3;

/// Towards the moment at which somebody wants to be woken moves get no shorter than this.
const SHORTEST_MOVE: Duration = Duration::from_secs(2);

/// Between two looks at whether the lab is at rest.
const POLL_INTERVAL: Duration = Duration::from_micros(300);

/// How often the thread looks whether its lab is still there.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(500);

/// Whose rest counts, and who is woken by a move.
pub(crate) trait ClockSubjects: Send {
    /// Processes that live in the lab's time, or tell its dates.
    fn moved(&self) -> Vec<i32>;
    /// Processes that live in real time and work for the others.
    fn real(&self) -> Vec<i32>;
    /// Threads of this process that work for the lab.
    fn threads(&self) -> Vec<i32>;
    /// The longest time without a sign of life of what has to give one, that nothing in the lab takes amiss.
    fn longest_silence(&self) -> Duration;
    /// After how long at most a sign of life is due again.
    fn signs_of_life_every(&self) -> Duration;
    /// Interrupts the waits of the processes whose timers go by the lab's time.
    fn wake(&self);
    /// Time went by from one moment to another in so many moves.
    fn went_by(&self, moved: Duration, moves: u32);
}

/// Moves time in a thread of its own until the clock is gone.
pub(super) fn start(clock: Weak<Inner>, subjects: Box<dyn ClockSubjects>) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("catnap-clock".to_owned())
        .stack_size(256 * 1024)
        .spawn(move || Mover::new(subjects).run(&clock))
        .map(drop)
}

struct Mover {
    subjects: Box<dyn ClockSubjects>,
    activity: Activity,
    /// The lab's time since something happened.
    quiet: Duration,
    /// Number of news seen.
    news: u64,
    /// When the last news came.
    last_news: Instant,
    /// When the last move ended that was long enough for everything to give a sign of life after it.
    all_alive: Option<Timestamp>,
    /// Moves that were not told of yet.
    untold: (Duration, u32),
}

impl Mover {
    fn new(subjects: Box<dyn ClockSubjects>) -> Self {
        Self {
            subjects,
            activity: Activity::default(),
            quiet: Duration::ZERO,
            news: 0,
            last_news: Instant::now(),
            all_alive: None,
            untold: (Duration::ZERO, 0),
        }
    }

    fn run(mut self, clock: &Weak<Inner>) {
        while let Some(clock) = LabClock::from_weak(clock) {
            let asked = {
                let mut waits = clock.waits();
                if !waits.is_asked() {
                    self.tell();
                    clock.0.asked.wait_for(&mut waits, LIVENESS_INTERVAL);
                }
                waits.is_asked()
            };
            if asked && self.is_quiet(&clock) {
                self.step(&clock);
            }
        }
    }

    /// Looks whether the lab is quiet; takes a glance's time, or what is left of the calm.
    fn is_quiet(&mut self, clock: &LabClock) -> bool {
        let news = clock.0.news.load(Ordering::Acquire);
        if news != self.news {
            self.tell();
            self.news = news;
            self.last_news = Instant::now();
            self.quiet = Duration::ZERO;
        }
        // A glance before the calm is over would find nothing.
        std::thread::sleep(QUIET_FOR.saturating_sub(self.last_news.elapsed()).max(POLL_INTERVAL));
        if self.last_news.elapsed() < QUIET_FOR || clock.0.held.load(Ordering::Acquire) > 0 {
            return false;
        }
        let mut threads = self.subjects.threads();
        threads.extend(clock.waits().threads());
        self.activity.is_at_rest(&self.subjects.moved(), &self.subjects.real(), &threads)
            && clock.0.news.load(Ordering::Acquire) == self.news
            && clock.0.held.load(Ordering::Acquire) == 0
    }

    fn step(&mut self, clock: &LabClock) {
        clock.0.settled.send_modify(|number| *number += 1);
        let now = clock.now();
        let by = {
            let waits = clock.waits();
            if !waits.is_asked() {
                return;
            }
            let left = waits.next_moment().map_or(Duration::MAX, |moment| duration(now, moment));
            (self.quiet / MAX_FRACTION)
                .max(FIRST_MOVE)
                .min(self.longest(now))
                .min((left / MAX_FRACTION).max(SHORTEST_MOVE))
                .min(left)
        };
        let Some(page) = clock.0.page.as_ref().filter(|_| !by.is_zero()) else { return };
        page.advance(by);
        if by >= self.subjects.signs_of_life_every() {
            self.all_alive = Some(clock.now());
        }
        self.subjects.wake();
        clock.0.moves.send_modify(|number| *number += 1);
        self.untold = (self.untold.0 + by, self.untold.1 + 1);
        self.quiet += by;
        debug_assert!(after(now, by) <= clock.now(), "time goes on");
    }

    /// The longest move at this moment. What is due in a move is done after it, before the lab is at rest again: so a sign
    /// of life is never older than the time after which it is due, nor than the end of the last move that was as long.
    fn longest(&self, now: Timestamp) -> Duration {
        let every = self.subjects.signs_of_life_every();
        let oldest = self.all_alive.map_or(every, |moment| duration(moment, now).min(every));
        self.subjects.longest_silence().saturating_sub(oldest)
    }

    /// Tells of the moves so far, where something else is about to be recorded.
    fn tell(&mut self) {
        let (moved, moves) = std::mem::take(&mut self.untold);
        if moves > 0 {
            self.subjects.went_by(moved, moves);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::Nobody;
    use super::*;

    #[test]
    fn a_move_is_the_longer_the_younger_the_oldest_sign_of_life() {
        let leases = Nobody::alive_every(Duration::from_secs(150), Duration::from_secs(600));
        let mut mover = Mover::new(Box::new(leases));
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(mover.longest(now).as_secs(), 450, "the oldest is as old as it may be");
        mover.all_alive = Some(now);
        let longest = |seconds| mover.longest(after(now, Duration::from_secs(seconds))).as_secs();
        assert_eq!([0, 100, 150, 10_000].map(longest), [600, 500, 450, 450]);
    }
}
