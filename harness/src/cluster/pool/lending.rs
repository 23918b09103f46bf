//! The pool: times, the clusters that live in them, and who has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::kept::{Kept, Maker, SharedTime};
use super::message::TimeWish;
use super::statistics::{Statistics, ThrownAway};
use crate::clock::new_time;
use child_clock::TimePage;

/// How many clusters that nobody has are kept in a time that can be moved: one for each shape that scenarios often ask for. An
/// API server that rests costs nothing but its memory, 300 MB.
///
/// The machine's time is one for all labs: a cluster in it is for whoever comes next, and is at work all the time. There are
/// no more of them than labs at once, those counted that somebody has, unless one lab has several.
const KEPT_IN_A_TIME: usize = 3;

/// How long a cluster may take to be emptied, in real time; it takes half a second.
const EMPTY_WITHIN: Duration = Duration::from_secs(60);

/// Lends clusters and takes them back. Clones share it; what it keeps ends with the last one.
pub(crate) struct Pool<M: Maker>(pub(super) Arc<Inner<M>>);

pub(super) struct Inner<M: Maker> {
    maker: M,
    /// How many times there may be that labs enter one after the other.
    most_times: usize,
    state: Mutex<State<M::Made>>,
    changed: Notify,
}

struct State<K: Kept> {
    times: BTreeMap<u64, Time>,
    /// The clusters that nobody has, the last returned last.
    shelf: Vec<Shelved<K>>,
    /// How many clusters somebody has that live in the machine's time.
    lent_in_real_time: usize,
    next: u64,
    statistics: Statistics,
    closed: bool,
}

struct Time {
    page: SharedTime,
    /// Whether others may enter it when the one who is in it has left.
    lasts: bool,
    /// How many need it: who is in it, and the clusters that are being emptied in it.
    users: usize,
}

struct Shelved<K: Kept> {
    cluster: Arc<K>,
    shape: K::Shape,
    time: u64,
    /// Whether it lives in the machine's time.
    is_in_real_time: bool,
}

/// A cluster that somebody has.
pub(super) struct Lent<K: Kept> {
    pub(super) number: u64,
    pub(super) cluster: Arc<K>,
    shape: K::Shape,
    time: u64,
    /// Whether it lives in the machine's time.
    is_in_real_time: bool,
}

impl<M: Maker> Clone for Pool<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M: Maker> std::fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("maker", &self.0.maker).finish_non_exhaustive()
    }
}

impl<M: Maker> Pool<M> {
    /// A pool for as many labs at once. There are no more times than labs: who comes next waits until what the one before
    /// has left is emptied, which is quicker than to make anew.
    pub(crate) fn new(maker: M, labs: usize) -> Self {
        let state = State {
            times: BTreeMap::new(),
            shelf: Vec::new(),
            lent_in_real_time: 0,
            next: 0,
            statistics: Statistics::default(),
            closed: false,
        };
        Self(Arc::new(Inner { maker, most_times: labs.max(1), state: Mutex::new(state), changed: Notify::new() }))
    }

    /// What became of its clusters so far.
    pub(crate) fn statistics(&self) -> Statistics {
        self.0.lock().statistics.clone()
    }

    /// Whether nobody is in any of its times, and nothing is emptied.
    pub(crate) fn is_quiet(&self) -> bool {
        self.0.lock().times.values().all(|time| time.users == 0)
    }

    /// Ends all clusters that nobody has, and keeps none from here on. What is being emptied is waited for, so that it is
    /// known what became of it.
    pub(crate) async fn close(&self) {
        let quiet = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.is_quiet() {
                    return;
                }
                changed.await;
            }
        };
        // A lab that does not go has its clusters thrown away when it does.
        let _ = tokio::time::timeout(EMPTY_WITHIN, quiet).await;
        let shelf = {
            let mut state = self.0.lock();
            state.closed = true;
            std::mem::take(&mut state.shelf)
        };
        futures::future::join_all(shelf.iter().map(|shelved| shelved.cluster.throw_away())).await;
    }
}

impl<M: Maker> Inner<M> {
    fn lock(&self) -> MutexGuard<'_, State<M::Made>> {
        self.state.lock()
    }

    /// A time that nobody is in: one with clusters before one without, and a new one before there are enough. Waits where
    /// all are in use.
    pub(super) async fn enter(&self, wish: TimeWish) -> Result<(u64, SharedTime), String> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(entered) = self.lock().enter(wish, self.most_times)? {
                return Ok(entered);
            }
            changed.await;
        }
    }

    pub(super) fn leave(&self, time: u64) {
        self.lock().leave(time);
        self.changed.notify_waiters();
    }

    /// A cluster of a shape in a time: one that is kept, or else a new one.
    pub(super) async fn lend(&self, time: u64, shape: <M::Made as Kept>::Shape) -> Result<Lent<M::Made>, String> {
        loop {
            let (number, kept, page) = {
                let mut state = self.lock();
                let kept = state.take(time, &shape);
                let page = state.times.get(&time).and_then(|time| time.page.clone());
                (state.number(), kept, page)
            };
            let cluster = match kept {
                Some(cluster) if !cluster.is_alive() => {
                    self.thrown_away("nobody", "it ended while nobody had it");
                    continue;
                }
                Some(cluster) => {
                    cluster.resume();
                    self.lock().statistics.lent_again += 1;
                    cluster
                }
                None => {
                    let in_the_way = if page.is_none() { self.lock().make_room(self.most_times) } else { Vec::new() };
                    futures::future::join_all(in_the_way.iter().map(|cluster| cluster.throw_away())).await;
                    let made = Arc::new(self.maker.make(number, shape.clone(), page.clone()).await?);
                    self.lock().statistics.made += 1;
                    made
                }
            };
            if page.is_none() {
                self.lock().lent_in_real_time += 1;
            }
            return Ok(Lent { number, cluster, shape, time, is_in_real_time: page.is_none() });
        }
    }

    /// Takes a cluster back from whoever had it, `damage` being what was done to it that no emptying mends. It is on the
    /// shelf again, or gone, on return.
    pub(super) async fn take_back(&self, lent: Lent<M::Made>, who: &str, damage: Option<String>) {
        let Lent { cluster, shape, time, is_in_real_time, .. } = lent;
        if is_in_real_time {
            let mut state = self.lock();
            state.lent_in_real_time = state.lent_in_real_time.saturating_sub(1);
        }
        if !self.lock().begin_emptying(time) {
            // Nobody can have it any more, whatever it is like.
            cluster.throw_away().await;
            return;
        }
        // However this ends: a time that nobody leaves is one less for all others.
        let _emptying = Emptying { pool: self, time };
        let outcome = match damage {
            Some(damage) => Err(damage),
            None => match tokio::time::timeout(EMPTY_WITHIN, cluster.empty()).await {
                Ok(outcome) => outcome,
                Err(_) => Err(format!("it was not empty after {} s", EMPTY_WITHIN.as_secs())),
            },
        };
        let in_the_way = match outcome {
            Ok(()) => {
                cluster.rest();
                self.lock().shelve(Shelved { cluster, shape, time, is_in_real_time }, self.most_times)
            }
            Err(why) => {
                self.thrown_away(who, &why);
                Some(cluster)
            }
        };
        if let Some(in_the_way) = in_the_way {
            in_the_way.throw_away().await;
        }
    }

    fn thrown_away(&self, by: &str, why: &str) {
        tracing::debug!(by, why, "a cluster is not lent again");
        self.lock().statistics.thrown_away.push(ThrownAway { by: by.to_owned(), why: why.to_owned() });
    }
}

/// A time is in use while this lives.
struct Emptying<'a, M: Maker> {
    pool: &'a Inner<M>,
    time: u64,
}

impl<M: Maker> Drop for Emptying<'_, M> {
    fn drop(&mut self) {
        self.pool.leave(self.time);
    }
}

impl<K: Kept> State<K> {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn enter(&mut self, wish: TimeWish, most: usize) -> Result<Option<(u64, SharedTime)>, String> {
        // A time that began at a date of somebody's own is before or after everybody else's.
        let lasts = !matches!(wish, TimeWish::MovableFrom(_));
        if lasts {
            let real = wish == TimeWish::Real;
            let fits = |time: &Time| time.lasts && time.users == 0 && time.page.is_none() == real;
            let kept = |number: u64| self.shelf.iter().filter(|shelved| shelved.time == number).count();
            let free = self.times.iter().filter(|(_, time)| fits(time)).map(|(&number, _)| number);
            if let Some(number) = free.max_by_key(|&number| (kept(number), std::cmp::Reverse(number)))
                && let Some(time) = self.times.get_mut(&number)
            {
                time.users = 1;
                return Ok(Some((number, time.page.clone())));
            }
            if self.times.values().filter(|time| time.lasts && time.page.is_none() == real).count() >= most {
                return Ok(None);
            }
        }
        let begin = match wish {
            TimeWish::Real => None,
            TimeWish::Movable => Some(None),
            TimeWish::MovableFrom(begin) => Some(Some(begin)),
        };
        let page: Option<TimePage> = begin.map(new_time).transpose().map_err(|error| error.to_string())?;
        let (number, page) = (self.number(), page.map(Arc::new));
        self.times.insert(number, Time { page: page.clone(), lasts, users: 1 });
        Ok(Some((number, page)))
    }

    fn leave(&mut self, number: u64) {
        let Some(time) = self.times.get_mut(&number) else { return };
        time.users = time.users.saturating_sub(1);
        if time.users == 0 && !time.lasts {
            self.times.remove(&number);
        }
    }

    fn take(&mut self, time: u64, shape: &K::Shape) -> Option<Arc<K>> {
        let is_real = self.times.get(&time).is_some_and(|time| time.page.is_none());
        let is_here = |shelved: &Shelved<K>| shelved.time == time || is_real && shelved.is_in_real_time;
        let at = self.shelf.iter().rposition(|shelved| is_here(shelved) && &shelved.shape == shape)?;
        Some(self.shelf.remove(at).cluster)
    }

    /// Takes from the shelf what would be too much in the machine's time beside one more.
    fn make_room(&mut self, most: usize) -> Vec<Arc<K>> {
        let mut taken = Vec::new();
        while let Some(oldest) = self.shelf.iter().position(|shelved| shelved.is_in_real_time) {
            let shelved = self.shelf.iter().filter(|shelved| shelved.is_in_real_time).count();
            if shelved + self.lent_in_real_time < most {
                break;
            }
            taken.push(self.shelf.remove(oldest).cluster);
        }
        taken
    }

    /// Holds a time for a cluster that is emptied in it; false where nobody will be able to have the cluster.
    fn begin_emptying(&mut self, number: u64) -> bool {
        match self.times.get_mut(&number) {
            Some(time) if time.lasts && !self.closed => {
                time.users += 1;
                true
            }
            _ => false,
        }
    }

    /// Puts a cluster on the shelf; the one that has to make room for it.
    fn shelve(&mut self, shelved: Shelved<K>, most: usize) -> Option<Arc<K>> {
        if self.closed {
            return Some(shelved.cluster);
        }
        let (time, is_real) = (shelved.time, shelved.is_in_real_time);
        self.shelf.push(shelved);
        let of_this_time = |other: &Shelved<K>| if is_real { other.is_in_real_time } else { other.time == time };
        let kept = if is_real { most } else { KEPT_IN_A_TIME };
        if self.shelf.iter().filter(|other| of_this_time(other)).count() <= kept {
            return None;
        }
        let oldest = self.shelf.iter().position(of_this_time)?;
        Some(self.shelf.remove(oldest).cluster)
    }
}
