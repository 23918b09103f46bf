//! Ctrl-C and its kin, for commands that have something to take down.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::runner::Stop;

/// Listens to SIGINT, SIGTERM and SIGHUP: the first asks to stop gently, the second to stop at once.
#[derive(Debug, Clone)]
pub struct Interrupts {
    stop: watch::Receiver<Stop>,
    signal: Arc<AtomicU8>,
}

impl Interrupts {
    /// Starts to listen; from here on these signals do not end the process by themselves.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> std::io::Result<Self> {
        let interrupt = (2, signal(SignalKind::interrupt())?);
        let terminate = (15, signal(SignalKind::terminate())?);
        let hang_up = (1, signal(SignalKind::hangup())?);
        let (sender, stop) = watch::channel(Stop::NotYet);
        let last = Arc::new(AtomicU8::new(0));
        let sender = Arc::new(sender);
        for (number, mut signals) in [interrupt, terminate, hang_up] {
            let (sender, last) = (sender.clone(), last.clone());
            tokio::spawn(async move {
                while Signal::recv(&mut signals).await.is_some() {
                    let _ = last.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
                    sender.send_modify(|stop| {
                        *stop = if *stop == Stop::NotYet { Stop::Graceful } else { Stop::Immediate };
                    });
                }
            });
        }
        Ok(Self { stop, signal: last })
    }

    /// What was asked for so far, and what will be.
    #[must_use]
    pub fn stop(&self) -> watch::Receiver<Stop> {
        self.stop.clone()
    }

    /// Comes back when the first signal comes.
    pub async fn first(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop != Stop::NotYet).await.is_err() {
            std::future::pending().await
        }
    }

    /// The exit status of a process that ended for a signal, as shells tell it: 130 after Ctrl-C; `None` without one.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            number => Some(128 + number),
        }
    }
}
