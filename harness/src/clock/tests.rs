//! Time without processes: who waits, what is jumped over, and what is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::LabClock;
use super::lab_clock::after;
use super::test_support::{Nobody, Told};

const HOUR: Duration = Duration::from_secs(3600);

/// A clock that can be moved, where this system has such; and what was told of its moves.
fn clock() -> Option<(LabClock, Told)> {
    let clock = LabClock::movable(None).ok()?;
    let nobody = Nobody::alive_every(Duration::from_secs(5), Duration::from_secs(25));
    let told = Arc::clone(&nobody.told);
    clock.keep_moving(Box::new(nobody)).unwrap();
    Some((clock, told))
}

#[tokio::test]
async fn an_hour_is_advanced_in_less_and_told_of() {
    let Some((clock, told)) = clock() else { return };
    let (begun, wall) = (clock.now(), Instant::now());
    clock.advance(HOUR).await;
    let went_by = Duration::try_from(clock.now().duration_since(begun)).unwrap();
    assert!(went_by >= HOUR && went_by < HOUR + wall.elapsed() + Duration::from_secs(1), "{went_by:?}");
    assert!(wall.elapsed() < HOUR / 60);
    // Told when the thread that moves time finds that nobody asks any more.
    let patience = Instant::now();
    while told.lock().is_empty() && patience.elapsed() < Duration::from_secs(10) {
        tokio::task::yield_now().await;
    }
    let (moved, moves) = told.lock()[0];
    assert!(moved <= HOUR && moved > HOUR / 2 && moves > 100, "{moved:?} in {moves}");
}

#[tokio::test]
async fn nobody_who_waits_is_jumped_over_and_all_wake_in_their_order() {
    let Some((clock, _)) = clock() else { return };
    let begun = clock.now();
    let woken = Arc::new(Mutex::new(Vec::new()));
    let mut sleepers = tokio::task::JoinSet::new();
    for minutes in [50u64, 7, 31, 8] {
        let (clock, woken) = (clock.clone(), woken.clone());
        sleepers.spawn(async move {
            clock.sleep(Duration::from_secs(60 * minutes)).await;
            let at = Duration::try_from(clock.now().duration_since(begun)).unwrap();
            woken.lock().push((minutes, at.as_secs() / 60));
        });
    }
    tokio::task::yield_now().await;
    clock.advance(HOUR).await;
    sleepers.join_all().await;
    assert_eq!(*woken.lock(), [(7, 7), (8, 8), (31, 31), (50, 50)]);
}

#[tokio::test]
async fn time_stands_unless_somebody_asks() {
    let Some((clock, _)) = clock() else { return };
    let moved = clock.moved();
    // A sleeper alone does not ask.
    assert!(tokio::time::timeout(Duration::from_millis(100), clock.sleep(HOUR)).await.is_err());
    assert_eq!(clock.moved(), moved);
    drop(clock.waiting_until(after(clock.now(), HOUR)));
    assert!(tokio::time::timeout(HOUR, clock.advance(HOUR)).await.is_ok());
    assert!(clock.moved() > moved);
}

#[tokio::test]
async fn time_is_not_moved_over_the_end_of_a_wait_by_whose_end_nobody_sleeps() {
    let Some((clock, _)) = clock() else { return };
    // Nothing has happened for long, so moves are as long as they get.
    clock.advance(HOUR).await;
    let moved = clock.moved();
    let waiting = clock.waiting_until(after(clock.now(), Duration::from_secs(30)));
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(waiting);
    let moved = clock.moved() - moved;
    assert!(moved > Duration::from_secs(20) && moved <= Duration::from_secs(30), "{moved:?}");
}

#[tokio::test]
async fn held_time_is_not_moved() {
    let Some((clock, _)) = clock() else { return };
    let hold = clock.hold();
    let held = tokio::time::timeout(Duration::from_millis(200), clock.advance(HOUR)).await;
    assert!(held.is_err() && clock.moved().is_zero(), "{:?}", clock.moved());
    drop(hold);
    clock.advance(HOUR).await;
}

#[tokio::test]
async fn after_news_time_is_real_for_a_moment() {
    let Some((clock, _)) = clock() else { return };
    let _waiting = clock.waiting_until(after(clock.now(), HOUR));
    let wall = Instant::now();
    let moved = clock.moved();
    while wall.elapsed() < Duration::from_millis(200) {
        clock.news();
        tokio::task::yield_now().await;
    }
    let moved = clock.moved().saturating_sub(moved);
    assert!(moved < Duration::from_secs(30), "moved by {moved:?} while there was news all the time");
    drop(clock);
}

#[tokio::test]
async fn a_real_clock_waits_and_is_not_moved() {
    let clock = LabClock::real();
    let wall = Instant::now();
    clock.advance(Duration::from_millis(30)).await;
    assert!(wall.elapsed() >= Duration::from_millis(30));
    assert!(!clock.is_movable() && clock.moved().is_zero());
}
