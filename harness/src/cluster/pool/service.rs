//! A pool at work for those who speak to it through a socket.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::task::{AbortHandle, JoinSet};

use super::kept::{Kept, Maker};
use super::lending::{Lent, Pool};
use super::message::{Ask, Call, Word};

type Shape<M> = <<M as Maker>::Made as Kept>::Shape;
type Place<M> = <<M as Maker>::Made as Kept>::Place;
/// What a borrower has, by number, with the task that waits for the end of each.
type InUse<M> = HashMap<u64, (Lent<<M as Maker>::Made>, AbortHandle)>;

impl<M: Maker> Pool<M> {
    /// Serves a borrower until it hangs up. What it has not returned by then is thrown away.
    pub(crate) async fn serve(self, stream: UnixStream) {
        let (read, write) = stream.into_split();
        let borrower = Arc::new(Borrower {
            pool: self,
            who: Mutex::new(String::new()),
            time: Mutex::new(None),
            lent: Mutex::default(),
            answers: tokio::sync::Mutex::new(write),
        });
        let mut work = JoinSet::new();
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(Call { call, ask }) = serde_json::from_str::<Call<Shape<M>>>(&line) else { break };
            // One after the other, since what comes next may need it; all else takes its time.
            if let Ask::Enter { who, wish } = ask {
                let word = borrower.enter(call, who, wish).await;
                borrower.say(&word).await;
            } else {
                let borrower = borrower.clone();
                work.spawn(async move { borrower.answer(call, ask).await });
            }
        }
        // A cluster that is being made for it is there first.
        while work.join_next().await.is_some() {}
        borrower.hung_up().await;
    }
}

/// One who is served.
struct Borrower<M: Maker> {
    pool: Pool<M>,
    who: Mutex<String>,
    time: Mutex<Option<u64>>,
    lent: Mutex<InUse<M>>,
    answers: tokio::sync::Mutex<OwnedWriteHalf>,
}

impl<M: Maker> Borrower<M> {
    async fn enter(&self, call: u64, who: String, wish: super::TimeWish) -> Word<Place<M>> {
        *self.who.lock() = who;
        if self.time.lock().is_some() {
            return Word::Refused { call, why: "it is in a time already".to_owned() };
        }
        match self.pool.0.enter(wish).await {
            Ok((time, page)) => {
                *self.time.lock() = Some(time);
                Word::Entered { call, page: page.map(|page| page.path()) }
            }
            Err(why) => Word::Refused { call, why },
        }
    }

    async fn answer(self: Arc<Self>, call: u64, ask: Ask<Shape<M>>) {
        let word = match ask {
            Ask::Enter { .. } => return,
            Ask::Lend { shape } => self.lend(call, shape).await,
            Ask::Halt { number } => {
                let cluster = self.lent.lock().get(&number).map(|(lent, _)| lent.cluster.clone());
                match cluster {
                    Some(cluster) => {
                        cluster.halt().await;
                        Word::Done { call }
                    }
                    None => Word::Refused { call, why: format!("it has no cluster {number}") },
                }
            }
            Ask::Return { number, damage } => {
                let lent = self.lent.lock().remove(&number);
                if let Some((lent, watch)) = lent {
                    watch.abort();
                    let who = self.who.lock().clone();
                    self.pool.0.take_back(lent, &who, damage).await;
                }
                return;
            }
        };
        self.say(&word).await;
    }

    async fn lend(self: &Arc<Self>, call: u64, shape: Shape<M>) -> Word<Place<M>> {
        let time = *self.time.lock();
        let Some(time) = time else { return Word::Refused { call, why: "it is in no time yet".to_owned() } };
        match self.pool.0.lend(time, shape).await {
            Ok(lent) => {
                let (number, place) = (lent.number, lent.cluster.place());
                let (watched, borrower) = (lent.cluster.clone(), Arc::downgrade(self));
                // The task must not begin before the cluster is known to be lent.
                let mut all_lent = self.lent.lock();
                let watch = tokio::spawn(async move {
                    let how = watched.died().await;
                    if let Some(borrower) = borrower.upgrade()
                        && borrower.lent.lock().contains_key(&number)
                    {
                        borrower.say(&Word::Died { number, how }).await;
                    }
                });
                all_lent.insert(number, (lent, watch.abort_handle()));
                Word::Lent { call, number, place }
            }
            Err(why) => Word::Refused { call, why },
        }
    }

    async fn say(&self, word: &Word<Place<M>>) {
        let mut line = serde_json::to_string(word).expect("a word is always JSON");
        line.push('\n');
        // One that has hung up is noticed where its words are read.
        let _ = self.answers.lock().await.write_all(line.as_bytes()).await;
    }

    async fn hung_up(&self) {
        let lent: Vec<_> = self.lent.lock().drain().map(|(_, lent)| lent).collect();
        let (who, time) = (self.who.lock().clone(), *self.time.lock());
        for (lent, watch) in lent {
            watch.abort();
            let damage = "whoever had it ended without giving it back".to_owned();
            self.pool.0.take_back(lent, &who, Some(damage)).await;
        }
        if let Some(time) = time {
            self.pool.0.leave(time);
        }
    }
}
