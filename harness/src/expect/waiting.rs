//! When an expectation is evaluated: now, within a time, throughout a time, at every instant since a moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::expectation::{Expectation, Verdict};
use super::failure::{Failure, Outcome};
use super::state::State;
use crate::duration::readable;
use crate::history::{AzureStream, Event, History, timeline};

/// How long `now` lets observations arrive that are under way: watches of different kinds are not ordered among each
/// other, so a pod may be seen Running a moment before its node is seen at all.
const SETTLING: Duration = Duration::from_secs(3);

/// How long a watch may be broken before the lab is held to be, in real time.
const BLIND: Duration = Duration::from_secs(60);

/// Lines of the time line that a failure shows.
const SHOWN: usize = 40;

/// Those of them that come after the instant at which an expectation did not hold.
const SHOWN_AFTERWARDS: usize = 8;

/// Evaluates expectations against a history. Clones share the state.
#[derive(Debug, Clone)]
pub struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    history: History,
    state: Mutex<State>,
    evaluated: AtomicUsize,
    fatal: OnceLock<String>,
    epilogue: String,
    /// For how long a scenario may wait in real time.
    patience: Duration,
}

/// A moment of the history.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize);

impl Mark {
    pub(crate) fn position(self) -> usize {
        self.0
    }
}

impl Witness {
    /// A witness of `history`; `epilogue` closes each failure (where the artefacts are, how to run it again). Where the clock
    /// is a real one, nothing is waited for longer than `patience` that cannot come earlier.
    #[must_use]
    pub fn new(history: History, epilogue: String, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            history,
            state: Mutex::default(),
            evaluated: AtomicUsize::new(0),
            fatal: OnceLock::new(),
            epilogue,
            patience,
        }))
    }

    /// Makes sure that there is the patience to wait this long: always where time can be moved.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where there is not.
    pub fn wait_of(&self, waits: Duration) -> Outcome {
        if self.0.history.clock().is_movable() || waits <= self.0.patience {
            return Ok(());
        }
        let [waits, patience] = [waits, self.0.patience].map(readable);
        Err(Failure::skipped(format!(
            "it has to wait {waits}, this lab's clock is real, and the patience is {patience} (--patience)"
        )))
    }

    /// The present moment.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.0.history.len())
    }

    /// The present state, as soon as everything is seen. Blocks the thread until then.
    #[must_use]
    pub fn state(&self) -> State {
        self.wait_until_seen();
        self.glance(State::clone)
    }

    /// Shows what has been seen so far to those who show it and judge nothing by it.
    pub(crate) fn glance<T>(&self, at: impl FnOnce(&State) -> T) -> T {
        self.catch_up(|_| {});
        at(&self.lock())
    }

    /// Whether an expectation holds in the present state, as soon as everything is seen. Blocks the thread until then.
    fn judge(&self, expectation: &Expectation) -> Verdict {
        self.wait_until_seen();
        self.glance(|state| expectation.evaluate(state))
    }

    /// Starts an assertion.
    pub fn expect(&self, expectation: Expectation) -> Pending<'_> {
        Pending { witness: self, expectation }
    }

    /// Asserts that a value is what it should be: `what` is its name in the history and in the failure.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify<T: PartialEq + std::fmt::Debug>(&self, what: &str, expected: T, seen: T) -> Outcome {
        let verdict = if expected == seen { Ok(()) } else { Err(format!("{seen:?}")) };
        self.conclude(&format!("{what} = {expected:?}"), verdict)
    }

    /// Number of assertions that were evaluated to their end.
    #[must_use]
    pub fn evaluated(&self) -> usize {
        self.0.evaluated.load(Ordering::Relaxed)
    }

    /// Something the lab cannot go on without is gone; whoever waits fails at once with this reason.
    pub fn give_up(&self, reason: String) {
        if self.0.fatal.set(reason).is_ok() {
            let reason = self.0.fatal.get().cloned().unwrap_or_default();
            self.0.history.record(Event::Step { text: format!("the lab is broken: {reason}") });
        }
    }

    /// Why the lab cannot go on, if so.
    #[must_use]
    pub fn fatal(&self) -> Option<&str> {
        self.0.fatal.get().map(String::as_str)
    }

    /// A failure with the time line and the epilogue.
    #[must_use]
    pub fn failure(&self, headline: &str) -> Failure {
        Failure::new(self.explain(headline))
    }

    /// `headline`, the last lines of the time line, and the epilogue.
    #[must_use]
    pub fn explain(&self, headline: &str) -> String {
        let lines = timeline(&self.0.history.since(0));
        let shown = lines.len().saturating_sub(SHOWN)..lines.len();
        self.tell(headline, &format!("last of {} events", lines.len()), &lines[shown])
    }

    /// `headline`, the lines of the time line around the record at `position`, and the epilogue.
    fn explain_at(&self, position: usize, headline: &str) -> String {
        let records = self.0.history.since(0);
        let lines = timeline(&records);
        // A line depends on nothing that comes after it.
        let instant = timeline(&records[..position.min(records.len())]).len();
        let end = lines.len().min(instant + SHOWN_AFTERWARDS);
        let shown = end.saturating_sub(SHOWN)..end;
        self.tell(headline, &format!("of {} events those around that instant", lines.len()), &lines[shown])
    }

    fn tell(&self, headline: &str, which: &str, lines: &[String]) -> String {
        let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
        format!("{headline}\n\n{which}:\n{lines}\n{}", self.0.epilogue)
    }

    /// Waits until what happens in the cluster is seen: what has not been heard of is no proof that it is not there.
    pub(crate) fn wait_until_seen(&self) {
        if let Err(kinds) = self.0.history.wait_until_seen(BLIND, || self.fatal().is_none()) {
            self.give_up(format!("the lab has not seen for {BLIND:?} what becomes of: {kinds}"));
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, State> {
        self.0.state.lock()
    }

    /// Folds in what is new, calling `each` after every record that changed something.
    fn catch_up(&self, mut each: impl FnMut(&State)) {
        let mut state = self.lock();
        for record in self.0.history.since(state.position()) {
            if state.apply(&record) {
                each(&state);
            }
        }
    }

    /// Makes sure that what an expectation goes by is seen here, `at_instants` at the instant at which it happens.
    fn can_judge(&self, expectation: &Expectation, at_instants: bool) -> Outcome {
        let (needs, sight) = (expectation.needs(), self.0.history.azure_stream());
        let unseen = match sight {
            AzureStream::Pushed => return Ok(()),
            AzureStream::Polled if needs.requests => "requests to Azure, which this target does not tell",
            AzureStream::Polled if needs.resources && at_instants => {
                "resources of Azure at every instant, and this target only asks for them now and then"
            }
            AzureStream::Polled => return Ok(()),
        };
        Err(Failure::skipped(format!("it goes by {unseen}: {}", expectation.description())))
    }

    fn conclude(&self, expected: &str, verdict: Verdict) -> Outcome {
        self.conclude_with(expected, verdict, |headline| self.failure(headline))
    }

    /// As `conclude`; where the verdict is of an earlier instant, `explain` tells of that one.
    fn conclude_with(&self, expected: &str, verdict: Verdict, explain: impl FnOnce(&str) -> Failure) -> Outcome {
        self.0.evaluated.fetch_add(1, Ordering::Relaxed);
        let (held, seen) = match &verdict {
            Ok(()) => (true, String::new()),
            Err(seen) => (false, seen.clone()),
        };
        self.0.history.record(Event::Assertion { expected: expected.to_owned(), held, seen });
        verdict.map_err(|seen| explain(&format!("expected: {expected}\n    seen: {seen}")).of_assertion(expected))
    }
}

/// An assertion whose time has not been said yet.
#[derive(Debug)]
#[must_use = "say when it shall hold: now(), within(…), throughout(…) or at_every_instant_since(…)"]
pub struct Pending<'a> {
    witness: &'a Witness,
    expectation: Expectation,
}

impl Pending<'_> {
    /// It holds now (observations under way may still arrive).
    ///
    /// # Errors
    /// When it does not hold.
    pub fn now(self) -> Outcome {
        self.witness.can_judge(&self.expectation, false)?;
        let description = format!("{} (now)", self.expectation.description());
        let give_up = std::time::Instant::now() + SETTLING;
        loop {
            let seen = self.witness.0.history.len();
            let verdict = self.witness.judge(&self.expectation);
            if verdict.is_ok() || std::time::Instant::now() >= give_up || self.witness.fatal().is_some() {
                return self.witness.conclude(&description, verdict);
            }
            while self.witness.0.history.len() == seen && std::time::Instant::now() < give_up {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }

    /// It comes to hold within this cluster time.
    ///
    /// # Errors
    /// When it does not.
    pub async fn within(self, patience: Duration) -> Outcome {
        self.witness.can_judge(&self.expectation, false)?;
        let description = format!("{} within {}", self.expectation.description(), readable(patience));
        let history = &self.witness.0.history;
        let deadline = after(history.now(), patience);
        let mut changes = history.changes();
        let _waiting = history.clock().waiting_until(deadline);
        let mut last_look = false;
        loop {
            changes.borrow_and_update();
            let verdict = self.witness.judge(&self.expectation);
            if verdict.is_ok() {
                return self.witness.conclude(&description, verdict);
            }
            let left = until(history.now(), deadline);
            if let Some(reason) = self.witness.fatal() {
                let seen = verdict.err().unwrap_or_default();
                return self.witness.conclude(&description, Err(format!("{seen}\n   cause: {reason}")));
            }
            if last_look {
                return self.witness.conclude(&description, verdict);
            }
            if left.is_zero() {
                // What was due in time has happened when all is quiet.
                history.clock().settle().await;
                last_look = true;
                continue;
            }
            // The end of the wait, or whatever is recorded before it.
            tokio::select! {
                () = history.clock().until(deadline) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// It holds now and at every instant of this cluster time.
    ///
    /// # Errors
    /// At the first instant at which it does not hold. Where the clock is a real one and the patience is shorter, the scenario
    /// is skipped.
    pub async fn throughout(self, duration: Duration) -> Outcome {
        self.witness.can_judge(&self.expectation, true)?;
        self.witness.wait_of(duration)?;
        let description = format!("{} throughout {}", self.expectation.description(), readable(duration));
        let history = &self.witness.0.history;
        let deadline = after(history.now(), duration);
        let mut changes = history.changes();
        let mut verdict = self.witness.judge(&self.expectation);
        let _waiting = history.clock().waiting_until(deadline);
        let mut last_look = false;
        loop {
            changes.borrow_and_update();
            self.witness.wait_until_seen();
            self.witness.catch_up(|state| {
                if verdict.is_ok() {
                    verdict = self.expectation.evaluate(state);
                }
            });
            if let (Ok(()), Some(reason)) = (&verdict, self.witness.fatal()) {
                verdict = Err(reason.to_owned());
            }
            let left = until(history.now(), deadline);
            if verdict.is_err() || last_look {
                return self.witness.conclude(&description, verdict);
            }
            if left.is_zero() {
                // What was due in this time has happened when all is quiet.
                history.clock().settle().await;
                last_look = true;
                continue;
            }
            tokio::select! {
                () = history.clock().until(deadline) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// It held at `mark` and at every instant from then until now.
    ///
    /// # Errors
    /// When it did not hold at some instant; the message says when.
    pub fn at_every_instant_since(self, mark: &Mark) -> Outcome {
        self.witness.can_judge(&self.expectation, true)?;
        let description = format!("{} at every instant", self.expectation.description());
        let mut state = State::default();
        let mut verdict = Ok(());
        self.witness.wait_until_seen();
        let start = self.witness.0.history.since(0).first().map_or(Timestamp::UNIX_EPOCH, |record| record.at);
        for record in self.witness.0.history.since(0) {
            let changed = state.apply(&record);
            if state.position() == mark.0 || (changed && state.position() > mark.0) {
                verdict = self.expectation.evaluate(&state);
            }
            if let Err(seen) = verdict {
                let seen = format!("at +{:.1}s: {seen}", until(start, record.at).as_secs_f64());
                let at = state.position();
                let explain = |headline: &str| Failure::new(self.witness.explain_at(at, headline));
                return self.witness.conclude_with(&description, Err(seen), explain);
            }
        }
        self.witness.conclude(&description, verdict)
    }
}

fn after(moment: Timestamp, duration: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(duration).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn until(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::LabClock;
    use crate::history::Change;
    use serde_json::json;

    fn witness() -> (Witness, History) {
        let history = History::new(LabClock::real(), None).unwrap();
        (Witness::new(history.clone(), "again: …".into(), Duration::from_secs(3600)), history)
    }

    fn see(history: &History, change: Change, name: &str) {
        let object = json!({"metadata": {"uid": name, "name": name}});
        history.record(Event::Kube { kind: "Node".into(), change, object: Arc::new(object) });
    }

    #[tokio::test]
    async fn within_ends_as_soon_as_it_holds() {
        let (witness, history) = witness();
        let wait = witness.expect(crate::expect::nodes().count(1)).within(Duration::from_secs(60));
        let other = async { see(&history, Change::Applied, "a") };
        let (outcome, ()) = tokio::join!(wait, other);
        outcome.unwrap();
        assert_eq!(witness.evaluated(), 1);
    }

    #[tokio::test]
    async fn a_failure_says_what_was_expected_and_seen_and_how_to_run_it_again() {
        let (witness, history) = witness();
        see(&history, Change::Applied, "a");
        let failure = witness.expect(crate::expect::nodes().none()).within(Duration::from_millis(1)).await.unwrap_err();
        assert!(failure.text().contains("expected: nodes: none within 1ms\n    seen: nodes: 1: a"), "{failure}");
        assert!(failure.text().ends_with("again: …"), "{failure}");
    }

    #[tokio::test]
    async fn in_real_time_nobody_waits_throughout_more_than_there_is_patience_for() {
        let (witness, _) = witness();
        let throughout = |time| witness.expect(crate::expect::nodes().none()).throughout(time);
        throughout(Duration::from_millis(1)).await.unwrap();
        let skipped = throughout(Duration::from_secs(3601)).await.unwrap_err();
        assert_eq!(skipped.kind(), crate::expect::FailureKind::Skipped, "{skipped}");
        assert!(skipped.text().contains("the patience is 1h"), "{skipped}");
    }

    #[test]
    fn an_instant_in_between_is_not_overlooked() {
        let (witness, history) = witness();
        let mark = witness.mark();
        see(&history, Change::Applied, "a");
        see(&history, Change::Deleted, "a");
        witness.expect(crate::expect::nodes().none()).now().unwrap();
        let failure = witness.expect(crate::expect::nodes().none()).at_every_instant_since(&mark).unwrap_err();
        assert!(failure.text().contains("seen: at +"), "{failure}");
    }

    #[test]
    fn a_failure_at_an_instant_shows_what_happened_around_it() {
        let (witness, history) = witness();
        let mark = witness.mark();
        let step = |text: String| drop(history.record(Event::Step { text }));
        (0..SHOWN).for_each(|number| step(format!("before {number}.")));
        see(&history, Change::Applied, "a");
        (0..SHOWN).for_each(|number| step(format!("after {number}.")));
        let failure = witness.expect(crate::expect::nodes().none()).at_every_instant_since(&mark).unwrap_err();
        let shown = |text: &str| failure.text().contains(text);
        assert!(shown(&format!("before {}.", SHOWN - 1)) && shown("after 0."), "{failure}");
        assert!(!shown("before 0.") && !shown(&format!("after {}.", SHOWN - 1)), "{failure}");
    }

    #[tokio::test]
    async fn nothing_is_judged_while_a_kind_is_not_seen() {
        let (witness, history) = witness();
        let unseen = history.unseen("Node");
        let watch = std::thread::spawn(move || {
            // Later than whoever does not wait would have judged.
            std::thread::sleep(Duration::from_millis(50));
            see(&history, Change::Applied, "a");
            drop(unseen);
        });
        let none = witness.expect(crate::expect::nodes().none()).within(Duration::from_millis(1)).await;
        watch.join().unwrap();
        assert!(none.is_err(), "a node that had not been heard of yet was taken for none");
    }

    #[tokio::test]
    async fn a_broken_lab_ends_every_wait_at_once() {
        let (witness, _history) = witness();
        witness.give_up("the provisioner exited".into());
        let failure =
            witness.expect(crate::expect::nodes().count(1)).within(Duration::from_secs(600)).await.unwrap_err();
        assert!(failure.text().contains("cause: the provisioner exited"), "{failure}");
    }
}
