//! A pool of toy clusters: a list of what was left in them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::lending::Pool;
use super::*;

/// What the toys of a test share.
#[derive(Debug, Default)]
struct Workbench {
    alive: Mutex<BTreeSet<u64>>,
    most_alive: AtomicUsize,
    /// How many are held by nobody any more.
    let_go: AtomicUsize,
    /// Whether those that are emptied still hold something afterwards.
    holds_something: AtomicBool,
}

#[derive(Debug)]
struct Toy {
    number: u64,
    bench: Arc<Workbench>,
    death: watch::Sender<bool>,
    rests: AtomicBool,
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.bench.let_go.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Kept for Toy {
    type Shape = String;
    type Place = u64;

    fn place(&self) -> u64 {
        assert!(!self.rests.load(Ordering::SeqCst), "nobody has one that rests");
        self.number
    }

    fn is_alive(&self) -> bool {
        !*self.death.borrow()
    }

    async fn died(&self) -> String {
        let _ = self.death.subscribe().wait_for(|dead| *dead).await;
        "it fell over".to_owned()
    }

    async fn halt(&self) {}

    async fn empty(&self) -> Result<(), String> {
        if self.bench.holds_something.load(Ordering::SeqCst) { Err("a sock was left".to_owned()) } else { Ok(()) }
    }

    fn rest(&self) {
        self.rests.store(true, Ordering::SeqCst);
    }

    fn resume(&self) {
        self.rests.store(false, Ordering::SeqCst);
    }

    async fn throw_away(&self) {
        self.bench.alive.lock().remove(&self.number);
    }
}

#[derive(Debug, Clone)]
struct ToyMaker(Arc<Workbench>, Arc<Mutex<Vec<watch::Sender<bool>>>>);

#[async_trait]
impl Maker for ToyMaker {
    type Made = Toy;

    async fn make(&self, number: u64, shape: String, _time: SharedTime) -> Result<Toy, String> {
        if shape == "impossible" {
            return Err("there is no such shape".to_owned());
        }
        let alive = {
            let mut alive = self.0.alive.lock();
            alive.insert(number);
            alive.len()
        };
        self.0.most_alive.fetch_max(alive, Ordering::SeqCst);
        let death = watch::Sender::new(false);
        self.1.lock().push(death.clone());
        Ok(Toy { number, bench: self.0.clone(), death, rests: AtomicBool::new(false) })
    }
}

struct Room {
    pool: Pool<ToyMaker>,
    bench: Arc<Workbench>,
    deaths: Arc<Mutex<Vec<watch::Sender<bool>>>>,
}

fn room(labs: usize) -> Room {
    let (bench, deaths) = (Arc::<Workbench>::default(), Arc::default());
    Room { pool: Pool::new(ToyMaker(bench.clone(), Arc::clone(&deaths)), labs), bench, deaths }
}

impl Room {
    async fn enter(&self, who: &str, wish: TimeWish) -> (Borrower<Toy>, SharedTime) {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = tokio::net::UnixStream::from_std(ours).unwrap();
        tokio::spawn(self.pool.clone().serve(ours));
        Borrower::enter(theirs, who, wish).await.unwrap()
    }

    /// A lab that borrows one of a shape and leaves as it should; which it had.
    async fn lab(&self, who: &str, shape: &str) -> u64 {
        self.lab_in(TimeWish::Movable, who, shape).await
    }

    async fn lab_in(&self, time: TimeWish, who: &str, shape: &str) -> u64 {
        let (borrower, _) = self.enter(who, time).await;
        let loan = borrower.lend(shape.to_owned()).await.unwrap();
        loan.give_back();
        *loan.place()
    }

    /// Until nobody has anything any more.
    async fn quiet(&self) {
        let is_quiet = || self.pool.is_quiet();
        tokio::time::timeout(Duration::from_secs(10), async {
            while !is_quiet() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_the_same_gets_what_was_left_and_who_asks_for_something_else_does_not() {
    let room = room(1);
    let first = room.lab("a", "round").await;
    room.quiet().await;
    assert_eq!(room.lab("b", "round").await, first);
    room.quiet().await;
    assert_ne!(room.lab("c", "square").await, first);
    room.quiet().await;
    assert_eq!(room.lab("d", "round").await, first);
    room.quiet().await;
    assert_eq!(room.pool.statistics(), Statistics { made: 2, lent_again: 2, thrown_away: Vec::new() });
    room.pool.close().await;
    assert!(room.bench.alive.lock().is_empty(), "what nobody has ends with the pool");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_empty_was_damaged_or_did_not_come_back_is_thrown_away_and_the_reason_is_told() {
    let room = room(1);
    let reasons = || {
        let thrown_away = room.pool.statistics().thrown_away;
        thrown_away.into_iter().map(|one| format!("{}: {}", one.by, one.why)).collect::<Vec<_>>()
    };
    room.bench.holds_something.store(true, Ordering::SeqCst);
    let first = room.lab("leaver", "round").await;
    room.quiet().await;
    room.bench.holds_something.store(false, Ordering::SeqCst);
    assert_eq!(reasons(), ["leaver: a sock was left"]);

    let (borrower, _) = room.enter("breaker", TimeWish::Real).await;
    let loan = borrower.lend("round".to_owned()).await.unwrap();
    assert_ne!(*loan.place(), first);
    loan.halt("its engine was taken out").await.unwrap();
    loan.give_back();
    drop((loan, borrower));
    room.quiet().await;

    let (borrower, _) = room.enter("crasher", TimeWish::Real).await;
    let loan = borrower.lend("round".to_owned()).await.unwrap();
    drop((loan, borrower));
    room.quiet().await;
    assert_eq!(
        reasons()[1..],
        ["breaker: its engine was taken out", "crasher: whoever had it ended without giving it back"]
    );
    assert!(room.bench.alive.lock().is_empty());
    // Those after it are none the worse for it.
    room.lab("next", "round").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_is_told_to_whoever_has_it_and_one_that_died_on_the_shelf_is_not_lent() {
    let room = room(1);
    let (borrower, _) = room.enter("a", TimeWish::Real).await;
    let loan = borrower.lend("round".to_owned()).await.unwrap();
    room.deaths.lock()[0].send_replace(true);
    assert_eq!(loan.died().await, "it fell over");
    drop((loan, borrower));
    room.quiet().await;

    let second = room.lab("b", "round").await;
    room.quiet().await;
    room.deaths.lock()[1].send_replace(true);
    assert_ne!(room.lab("c", "round").await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_cannot_be_made_is_refused_with_the_reason() {
    let room = room(1);
    let (borrower, _) = room.enter("a", TimeWish::Real).await;
    assert_eq!(borrower.lend("impossible".to_owned()).await.unwrap_err(), "there is no such shape");
    borrower.lend("round".to_owned()).await.unwrap();
    borrower.leave();
    let refused = borrower.lend("round".to_owned()).await.unwrap_err();
    assert_eq!(refused, "whoever lends clusters in this run is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_times_than_labs_are_in_use_and_the_next_one_waits() {
    let room = Arc::new(room(2));
    let mut inside = Vec::new();
    for who in ["a", "b"] {
        let (borrower, _) = room.enter(who, TimeWish::Real).await;
        borrower.lend("round".to_owned()).await.unwrap().give_back();
        inside.push(borrower);
    }
    let waiting = tokio::spawn({
        let room = room.clone();
        async move { room.lab("c", "round").await }
    });
    // Whatever it is given time for, it does not get in.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    inside.pop();
    tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(room.bench.most_alive.load(Ordering::SeqCst), 2);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn time_only_moves_on_and_a_date_of_ones_own_is_a_time_of_ones_own() {
    let room = room(1);
    let (borrower, page) = room.enter("a", TimeWish::Movable).await;
    let first = *borrower.lend("round".to_owned()).await.unwrap().place();
    page.as_ref().unwrap().advance(Duration::from_secs(3600));
    drop(borrower);
    room.quiet().await;
    let (borrower, page) = room.enter("b", TimeWish::Movable).await;
    assert_eq!(page.unwrap().moved(), Duration::from_secs(3600), "it goes on where it was");
    drop(borrower);
    room.quiet().await;

    let begin: Timestamp = "2026-03-02T08:00:00Z".parse().unwrap();
    let (borrower, page) = room.enter("c", TimeWish::MovableFrom(begin)).await;
    let page = page.unwrap();
    let drift = Timestamp::now().as_second() + page.base() - begin.as_second();
    assert!(page.moved().is_zero() && (0..60).contains(&drift), "{drift}");
    let loan = borrower.lend("round".to_owned()).await.unwrap();
    assert_ne!(*loan.place(), first);
    loan.give_back();
    drop((loan, borrower));
    room.quiet().await;
    assert_eq!(
        room.pool.statistics().thrown_away,
        [ThrownAway { by: "a".to_owned(), why: "whoever had it ended without giving it back".to_owned() }]
    );
    assert!(room.bench.alive.lock().is_empty(), "no other lab lives at that date");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_keeps_one_cluster_for_each_of_a_few_shapes() {
    let room = room(1);
    for shape in ["a", "b", "c", "d"] {
        room.lab("x", shape).await;
        room.quiet().await;
    }
    assert_eq!(room.bench.alive.lock().len(), 3);
    assert_eq!(room.pool.statistics().thrown_away, [], "it had to make room, nothing was wrong with it");
    room.lab("x", "d").await;
    assert_eq!(room.pool.statistics().lent_again, 1);
}

/// A review found that whoever waited for the end of a cluster held it for good, and its folder with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_thrown_away_is_held_by_nobody() {
    let room = room(1);
    room.bench.holds_something.store(true, Ordering::SeqCst);
    room.lab("a", "round").await;
    room.quiet().await;
    let (borrower, _) = room.enter("b", TimeWish::Real).await;
    drop(borrower.lend("round".to_owned()).await.unwrap());
    drop(borrower);
    room.quiet().await;
    tokio::time::timeout(Duration::from_secs(10), async {
        while room.bench.let_go.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

/// Times of the other kind are in nobody's way.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_in_the_machines_time_is_for_any_lab_and_there_are_no_more_than_labs() {
    let room = room(2);
    let first = room.lab_in(TimeWish::Real, "first", "tall").await;
    // Is where the first one was; whoever comes next waits until the one before is done with.
    let (idle, _) = room.enter("idle", TimeWish::Real).await;
    assert_eq!(room.lab_in(TimeWish::Real, "elsewhere", "tall").await, first);
    for shape in ["wide", "deep", "flat"] {
        room.lab_in(TimeWish::Real, shape, shape).await;
    }
    drop(idle);
    room.quiet().await;
    assert_eq!(room.bench.most_alive.load(Ordering::SeqCst), 2, "what is too much goes before another is made");
    assert_eq!(room.bench.alive.lock().len(), 2);
}

#[tokio::test]
async fn a_lab_in_real_time_does_not_wait_for_one_that_can_be_moved() {
    let room = room(1);
    let (first, _) = room.enter("a", TimeWish::Movable).await;
    let (second, page) = room.enter("b", TimeWish::Real).await;
    assert!(page.is_none());
    drop((first, second));
}
