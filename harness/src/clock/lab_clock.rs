//! A handle on the time of one lab.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fake_arm::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::watch;

use super::mover::{self, ClockSubjects};
use super::waits::Waits;
use child_clock::{TimePage, own_thread};

/// Which time a lab lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockKind {
    /// Time moves on while an expectation waits and nothing happens; real where the machine does not let it.
    #[default]
    Movable,
    /// The machine's time: every wait takes as long as it says.
    Real,
}

impl FromStr for ClockKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "movable" => Ok(Self::Movable),
            "real" => Ok(Self::Real),
            other => Err(format!("{other:?} is no clock: say movable or real")),
        }
    }
}

impl fmt::Display for ClockKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Movable => "movable",
            Self::Real => "real",
        })
    }
}

/// The time of one lab: of its processes, its fake Azure, its machines, its history. Clones share it.
///
/// Time only moves on. It moves by itself while somebody [waits](Self::waiting_until) and the lab is quiet: no process of it
/// runs or wants to run, nothing was recorded for a moment. The first moves are small and each is followed by real time
/// until the lab is quiet again, so that what happens in between happens in its order; nothing that waits in the lab's
/// time is jumped over. Nobody moves a clock that is [real](Self::real).
#[derive(Debug, Clone)]
pub struct LabClock(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    /// The page that the children see; `None` in real time.
    pub(super) page: Option<Arc<TimePage>>,
    /// Wakes whoever waits in the lab's time; the number of moves so far.
    pub(super) moves: watch::Sender<u64>,
    /// Number of things that happened that deserve real time.
    pub(super) news: AtomicU64,
    pub(super) waits: Mutex<Waits>,
    /// Told when somebody begins to ask, and at the end.
    pub(super) asked: Condvar,
    /// Number of times that the lab was found quiet with nothing left to happen at its present moment.
    pub(super) settled: watch::Sender<u64>,
    /// How many hold time.
    pub(super) held: AtomicUsize,
}

impl LabClock {
    /// The machine's time.
    #[must_use]
    pub fn real() -> Self {
        Self::of(None)
    }

    /// Time that can be moved, beginning now or at `begin`.
    ///
    /// # Errors
    /// When the machine gives no shared memory. Whether processes can be given this time is for
    /// [`probe_clock`](crate::process::probe_clock) to say.
    pub fn movable(begin: Option<Timestamp>) -> std::io::Result<Self> {
        Ok(Self::of(Some(Arc::new(new_time(begin)?))))
    }

    /// The time of a page, which processes that are there already may live in; the machine's where there is none.
    pub(crate) fn of(page: Option<Arc<TimePage>>) -> Self {
        Self(Arc::new(Inner {
            page,
            moves: watch::Sender::new(0),
            news: AtomicU64::new(0),
            waits: Mutex::default(),
            asked: Condvar::new(),
            settled: watch::Sender::new(0),
            held: AtomicUsize::new(0),
        }))
    }

    /// Whether time can be moved.
    #[must_use]
    pub fn is_movable(&self) -> bool {
        self.0.page.is_some()
    }

    /// The page that processes are to see.
    pub(crate) fn page(&self) -> Option<Arc<TimePage>> {
        self.0.page.clone()
    }

    /// The present moment of the lab.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let Some(page) = &self.0.page else { return Timestamp::now() };
        // In this order, as in the processes: a move in between makes no two readings go back.
        let wall = Timestamp::now();
        after(wall.checked_add(SignedDuration::from_secs(page.base())).unwrap_or(wall), page.moved())
    }

    /// By how much the lab's time was moved on so far, in all.
    #[must_use]
    pub fn moved(&self) -> Duration {
        self.0.page.as_ref().map_or(Duration::ZERO, |page| page.moved())
    }

    /// Waits for this long in the lab's time. Time is not moved for it, but not over its end either.
    pub async fn sleep(&self, duration: Duration) {
        self.until(after(self.now(), duration)).await;
    }

    /// Waits until a moment of the lab's time. Time is not moved for it, but not over it either.
    pub async fn until(&self, moment: Timestamp) {
        let _known = self.moment(moment);
        let mut moves = self.0.moves.subscribe();
        loop {
            moves.borrow_and_update();
            let left = duration(self.now(), moment);
            if left.is_zero() {
                return;
            }
            let _ = tokio::time::timeout(left, moves.changed()).await;
        }
    }

    /// Lets time move on up to `end` while the result lives and the lab is quiet. Whoever waits until then and looks at what
    /// happens meanwhile is not always asleep, and time must not take the chance to move over the end.
    #[must_use = "time moves on as long as this lives"]
    pub fn waiting_until(&self, end: Timestamp) -> Waiting {
        let end = self.moment(end);
        let number = self.waits().ask(own_thread());
        self.0.asked.notify_all();
        Waiting { clock: self.clone(), number, _end: end }
    }

    /// Lets this much time go by: moved where nothing happens, real where something does. Returns when all that was due
    /// meanwhile has had its turn.
    pub async fn advance(&self, by: Duration) {
        self.advance_to(after(self.now(), by)).await;
    }

    /// Lets time go by until a moment, as [`advance`](Self::advance) does.
    pub async fn advance_to(&self, moment: Timestamp) {
        self.pass_until(moment).await;
        self.settle().await;
    }

    /// Waits until a moment of the lab's time, and lets time be moved for it.
    pub(crate) async fn pass_until(&self, moment: Timestamp) {
        let _waiting = self.waiting_until(moment);
        self.until(moment).await;
    }

    /// Waits for this long in the lab's time, and lets time be moved for it.
    pub(crate) async fn pass(&self, duration: Duration) {
        self.pass_until(after(self.now(), duration)).await;
    }

    /// Waits until the lab is quiet, so that what is due at this moment has happened; at most five seconds of real time,
    /// and not at all where time is real.
    pub(crate) async fn settle(&self) {
        if !self.is_movable() {
            return;
        }
        // Nobody is to move time while this waits.
        let _waiting = self.waiting_until(self.now());
        let mut settled = self.0.settled.subscribe();
        let begun = *settled.borrow_and_update();
        // One that began before this may not have seen everything.
        let enough = settled.wait_for(|&number| number >= begun + 2);
        let _ = tokio::time::timeout(Duration::from_secs(5), enough).await;
    }

    /// Moves time on at once, whatever the lab does, waits for, or [holds](Self::hold); nothing where time is real. For the
    /// moment before anything lives in it.
    pub(crate) fn jump(&self, by: Duration) {
        if let Some(page) = &self.0.page {
            page.advance(by);
            self.0.moves.send_modify(|number| *number += 1);
        }
    }

    /// Something happened that deserves real time.
    pub(crate) fn news(&self) {
        self.0.news.fetch_add(1, Ordering::AcqRel);
    }

    /// Time is not moved while the result lives.
    pub(crate) fn hold(&self) -> Hold {
        self.0.held.fetch_add(1, Ordering::AcqRel);
        Hold(self.clone())
    }

    /// Begins to move time, for as long as the clock lives. `subjects` says whose rest counts.
    pub(crate) fn keep_moving(&self, subjects: Box<dyn ClockSubjects>) -> std::io::Result<()> {
        if !self.is_movable() {
            return Ok(());
        }
        mover::start(Arc::downgrade(&self.0), subjects)
    }

    /// Time is not moved over a moment while the result lives.
    fn moment(&self, at: Timestamp) -> Moment {
        Moment { clock: self.clone(), number: self.waits().add(at) }
    }

    pub(super) fn waits(&self) -> MutexGuard<'_, Waits> {
        self.0.waits.lock()
    }

    pub(super) fn from_weak(weak: &Weak<Inner>) -> Option<Self> {
        weak.upgrade().map(Self)
    }
}

impl Clock for LabClock {
    fn now(&self) -> Timestamp {
        self.now()
    }

    fn until(&self, moment: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clone();
        Box::pin(async move { Self::until(&clock, moment).await })
    }
}

/// Time moves on while this lives. See [`LabClock::waiting_until`].
#[derive(Debug)]
pub struct Waiting {
    clock: LabClock,
    number: u64,
    /// Time is not moved over it; given up after the wait.
    _end: Moment,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.clock.waits().satisfied(self.number);
    }
}

/// Time is not moved while this lives. See [`LabClock::hold`].
#[derive(Debug)]
pub(crate) struct Hold(LabClock);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A moment that somebody waits for.
#[derive(Debug)]
struct Moment {
    clock: LabClock,
    number: u64,
}

impl Drop for Moment {
    fn drop(&mut self) {
        self.clock.waits().over(self.number);
    }
}

/// A time of its own, which begins now or at `begin`.
pub(crate) fn new_time(begin: Option<Timestamp>) -> std::io::Result<TimePage> {
    TimePage::new(begin.map_or(0, |begin| begin.as_second() - Timestamp::now().as_second()))
}

/// A moment later.
pub(super) fn after(moment: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| moment.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// From one moment to another; zero where that is past.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
