//! A lab's end of the line to a pool.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;
use tokio::sync::{oneshot, watch};

use super::kept::{Kept, SharedTime};
use super::message::{Ask, Call, TimeWish, Word};
use child_clock::TimePage;

/// Borrows clusters from a pool, and is in one of its times, for as long as this lives.
pub struct Borrower<K: Kept>(Arc<Line<K::Place>>, PhantomData<fn() -> K>);

/// The line itself. Written by whoever asks, read by a thread of its own: what is said last is said whether or not a
/// runtime is left to say it.
struct Line<P> {
    stream: Mutex<UnixStream>,
    calls: AtomicU64,
    heard: Mutex<Heard<P>>,
}

struct Heard<P> {
    /// Where answers are waited for.
    answers: HashMap<u64, oneshot::Sender<Word<P>>>,
    /// How clusters that were lent have ended.
    deaths: HashMap<u64, watch::Sender<Option<String>>>,
    hung_up: bool,
}

impl<K: Kept> fmt::Debug for Borrower<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrower").finish_non_exhaustive()
    }
}

impl<K: Kept> Clone for Borrower<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<K: Kept> Borrower<K> {
    /// Enters a time of the pool at the other end; `who` is named where a cluster is thrown away for what was done to it.
    /// Waits until there is one that nobody is in.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub(crate) async fn enter(stream: UnixStream, who: &str, wish: TimeWish) -> Result<(Self, SharedTime), String> {
        let read = stream.try_clone().map_err(|error| error.to_string())?;
        let heard = Heard { answers: HashMap::new(), deaths: HashMap::new(), hung_up: false };
        let line = Arc::new(Line { stream: Mutex::new(stream), calls: AtomicU64::new(0), heard: Mutex::new(heard) });
        let listener = Arc::downgrade(&line);
        let listen = move || {
            for said in BufReader::new(read).lines() {
                let Some(line) = listener.upgrade() else { return };
                match said.ok().and_then(|said| serde_json::from_str(&said).ok()) {
                    Some(word) => line.hear(word),
                    None => break,
                }
            }
            if let Some(line) = listener.upgrade() {
                line.hung_up();
            }
        };
        let thread = std::thread::Builder::new().name("catnap-pool".to_owned()).stack_size(256 * 1024);
        thread.spawn(listen).map_err(|error| error.to_string())?;
        let borrower = Self(line, PhantomData);
        match borrower.ask(Ask::Enter { who: who.to_owned(), wish }).await? {
            Word::Entered { page: None, .. } => Ok((borrower, None)),
            Word::Entered { page: Some(path), .. } => {
                let page = TimePage::open(&path).map_err(|error| format!("the time at {path}: {error}"))?;
                Ok((borrower, Some(Arc::new(page))))
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Borrows a cluster.
    ///
    /// # Errors
    /// Why there is none to be had.
    pub async fn lend(&self, shape: K::Shape) -> Result<Loan<K>, String> {
        match self.ask(Ask::Lend { shape }).await? {
            Word::Lent { number, place, .. } => {
                let death = self.0.heard().deaths.entry(number).or_default().subscribe();
                Ok(Loan { borrower: self.clone(), number, place, death, state: Mutex::default() })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// Hangs up: what was not given back is thrown away, and the time is somebody else's. What was said before is heard.
    pub fn leave(&self) {
        let _ = self.0.stream.lock().shutdown(Shutdown::Both);
    }

    async fn ask(&self, ask: Ask<K::Shape>) -> Result<Word<K::Place>, String> {
        let (answer, answered) = oneshot::channel();
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed);
        {
            let mut heard = self.0.heard();
            if heard.hung_up {
                return Err(HUNG_UP.to_owned());
            }
            heard.answers.insert(call, answer);
        }
        self.0.say(&Call { call, ask })?;
        match answered.await {
            Ok(Word::Refused { why, .. }) => Err(why),
            Ok(word) => Ok(word),
            Err(_) => Err(HUNG_UP.to_owned()),
        }
    }
}

const HUNG_UP: &str = "whoever lends clusters in this run is gone";

fn unexpected<P: fmt::Debug>(word: &Word<P>) -> String {
    format!("whoever lends clusters in this run said something else than was asked: {word:?}")
}

impl<P> Line<P> {
    fn say<S: Serialize>(&self, call: &Call<S>) -> Result<(), String> {
        let mut line = serde_json::to_string(call).expect("a call is always JSON");
        line.push('\n');
        let mut stream = self.stream.lock();
        stream.write_all(line.as_bytes()).map_err(|_| HUNG_UP.to_owned())
    }

    fn hear(&self, word: Word<P>) {
        let mut heard = self.heard();
        match &word {
            Word::Died { number, how } => {
                heard.deaths.entry(*number).or_default().send_replace(Some(how.clone()));
            }
            Word::Entered { call, .. } | Word::Lent { call, .. } | Word::Done { call } | Word::Refused { call, .. } => {
                if let Some(answer) = heard.answers.remove(call) {
                    let _ = answer.send(word);
                }
            }
        }
    }

    fn hung_up(&self) {
        let mut heard = self.heard();
        heard.hung_up = true;
        heard.answers.clear();
        for death in heard.deaths.values() {
            death.send_if_modified(|death| {
                let first = death.is_none();
                death.get_or_insert_with(|| HUNG_UP.to_owned());
                first
            });
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard<P>> {
        self.heard.lock()
    }
}

impl<P> Drop for Line<P> {
    fn drop(&mut self) {
        // The thread that listens has a handle of its own, which alone would not end the line. What was said is heard.
        let stream = self.stream.get_mut();
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// A cluster that was borrowed. It goes back with [`give_back`](Self::give_back); one that is only dropped is thrown away
/// when its borrower goes.
pub struct Loan<K: Kept> {
    borrower: Borrower<K>,
    number: u64,
    place: K::Place,
    death: watch::Receiver<Option<String>>,
    state: Mutex<LoanState>,
}

#[derive(Default)]
struct LoanState {
    damage: Option<String>,
    is_back: bool,
}

impl<K: Kept> fmt::Debug for Loan<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loan").field("number", &self.number).field("place", &self.place).finish_non_exhaustive()
    }
}

impl<K: Kept> Loan<K> {
    /// Where the cluster is.
    #[must_use]
    pub fn place(&self) -> &K::Place {
        &self.place
    }

    /// Returns, with how it happened, when the cluster has ended by itself.
    pub async fn died(&self) -> String {
        let mut death = self.death.clone();
        match death.wait_for(Option::is_some).await.map(|death| death.clone()) {
            Ok(Some(how)) => how,
            _ => std::future::pending().await,
        }
    }

    /// Ends what serves the cluster's requests, so that something else can take its place. Nobody gets this cluster again:
    /// `why` says so in the run's summary.
    ///
    /// # Errors
    /// When the pool is gone.
    pub async fn halt(&self, why: &str) -> Result<(), String> {
        self.damage(why);
        match self.borrower.ask(Ask::Halt { number: self.number }).await? {
            Word::Done { .. } => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    /// Something was done to the cluster that no emptying mends.
    pub fn damage(&self, why: &str) {
        self.state().damage.get_or_insert_with(|| why.to_owned());
    }

    /// Gives the cluster back; whoever gets it next gets it emptied. Once.
    pub fn give_back(&self) {
        let damage = {
            let mut state = self.state();
            if std::mem::replace(&mut state.is_back, true) {
                return;
            }
            state.damage.take()
        };
        let call = self.borrower.0.calls.fetch_add(1, Ordering::Relaxed);
        let ask: Ask<K::Shape> = Ask::Return { number: self.number, damage };
        // A pool that is gone has taken its clusters along.
        let _ = self.borrower.0.say(&Call { call, ask });
    }

    fn state(&self) -> MutexGuard<'_, LoanState> {
        self.state.lock()
    }
}
