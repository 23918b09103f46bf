//! Keeps the world's appointments: what is due happens without a request, and work outside the lock comes back in.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::gateway::Shared;
use crate::world::{Change, Task};

/// Runs until the server is gone.
async fn run(shared: Weak<Shared>, mut tasks: UnboundedReceiver<Task>) {
    let mut running: JoinSet<Change> = JoinSet::new();
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let (next, wake) = strong.with(|world| {
            let next = world.catch_up().map(|due| world.clock().until(due));
            (next, world.wake())
        });
        drop(strong);
        let nap = async {
            match next {
                Some(due) => due.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = nap => {}
            () = wake.notified() => {}
            task = tasks.recv() => match task {
                Some(task) => { running.spawn(task); }
                None => return,
            },
            Some(done) = running.join_next(), if !running.is_empty() => match (done, shared.upgrade()) {
                (Ok(change), Some(strong)) => strong.with(change),
                (Err(error), Some(_)) => tracing::error!(%error, "failed to finish work of a long-running operation"),
                (_, None) => return,
            },
        }
    }
}

/// Starts it.
pub(super) fn start(shared: &Arc<Shared>, tasks: UnboundedReceiver<Task>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(run(Arc::downgrade(shared), tasks))
}
