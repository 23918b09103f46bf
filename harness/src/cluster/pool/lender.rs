//! Who lends clusters: to the labs of this process, or to those of the scenarios of a run.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use super::kept::Maker;
use super::lending::Pool;
use super::statistics::Statistics;

/// Keeps clusters that scenarios have left and lends them to others, as long as they are what a fresh one is. Clones
/// share it. What is kept ends with this process at the latest, however that ends.
pub struct Lender<M: Maker> {
    pool: Pool<M>,
    work: tokio::runtime::Handle,
}

impl<M: Maker> Clone for Lender<M> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone(), work: self.work.clone() }
    }
}

impl<M: Maker> std::fmt::Debug for Lender<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lender").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The lender of a process whose tests are threads, with the runtime that it works in; what kept it from being made, where
/// something did. For a `static`, one for each kind of cluster.
pub(crate) type OfThisProcess<M> = OnceLock<Result<(Lender<M>, Arc<tokio::runtime::Runtime>), String>>;

/// Lends clusters to the scenarios of a run, which are processes of their own.
#[async_trait]
pub trait RunLender: std::fmt::Debug + Send + Sync {
    /// Under which name [`connect`] reaches it.
    fn name(&self) -> &str;

    /// Ends all that is kept, and tells what became of what was lent.
    async fn close(&self) -> Statistics;
}

/// A lender, and that it can be reached.
#[derive(Debug)]
struct Reachable<M: Maker> {
    lender: Lender<M>,
    listening: Listening,
}

#[async_trait]
impl<M: Maker> RunLender for Reachable<M> {
    fn name(&self) -> &str {
        self.listening.name()
    }

    async fn close(&self) -> Statistics {
        self.lender.close().await
    }
}

/// For as long as it lives, others may borrow.
#[derive(Debug)]
pub struct Listening {
    name: String,
    task: tokio::task::AbortHandle,
}

impl Listening {
    /// Under which name [`connect`] reaches it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<M: Maker> Lender<M> {
    /// A lender of what `maker` makes for as many labs at once, that works in the runtime in which this is called.
    ///
    /// # Errors
    /// When this is called in no runtime.
    pub(crate) fn of(maker: M, labs: usize) -> io::Result<Self> {
        let work = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        Ok(Self { pool: Pool::new(maker, labs), work })
    }

    /// The one of this process, for tests that run in one process as threads. The first time, `make` makes it, in a runtime
    /// of its own.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn of_this_process(
        place: &'static OfThisProcess<M>,
        make: impl FnOnce() -> io::Result<Self>,
    ) -> Result<Self, String> {
        let made = || -> io::Result<_> {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("catnap-lender")
                .enable_all()
                .build()?;
            let _entered = runtime.enter();
            let lender = make()?;
            drop(_entered);
            Ok((lender, Arc::new(runtime)))
        };
        let made = place.get_or_init(|| made().map_err(|error| error.to_string()));
        made.as_ref().map(|(lender, _)| lender.clone()).map_err(Clone::clone)
    }

    /// Lends to the scenarios of a run from here on; `None` where this system cannot.
    ///
    /// # Errors
    /// When the system gives no socket.
    pub fn for_a_run(self) -> io::Result<Option<Box<dyn RunLender>>> {
        match self.listen() {
            Ok(listening) => Ok(Some(Box::new(Reachable { lender: self, listening }))),
            // There each scenario has clusters of its own.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A line to it, for a lab of this process.
    ///
    /// # Errors
    /// When the system gives no sockets.
    pub fn line(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        self.serve(ours)?;
        Ok(theirs)
    }

    /// Lends to other processes of this user from here on.
    ///
    /// # Errors
    /// When the system has no sockets without a file, which are gone when whoever listens is.
    #[cfg(target_os = "linux")]
    pub fn listen(&self) -> io::Result<Listening> {
        let name = format!("catnap/lender/{}-{:08x}", std::process::id(), rand::random::<u32>());
        let listener = std::os::unix::net::UnixListener::bind_addr(&address(&name)?)?;
        listener.set_nonblocking(true)?;
        let _entered = self.work.enter();
        let listener = tokio::net::UnixListener::from_std(listener)?;
        let lender = self.clone();
        let task = self.work.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Such a socket has no owner: anybody on the machine may knock.
                let own = stream.peer_cred().is_ok_and(|peer| peer.uid() == nix::unistd::getuid().as_raw());
                if own {
                    lender.work.spawn(lender.pool.clone().serve(stream));
                }
            }
        });
        Ok(Listening { name, task: task.abort_handle() })
    }

    /// Lends to other processes of this user from here on.
    ///
    /// # Errors
    /// Always: this system has no sockets without a file.
    #[cfg(not(target_os = "linux"))]
    pub fn listen(&self) -> io::Result<Listening> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn serve(&self, stream: UnixStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let _entered = self.work.enter();
        let stream = tokio::net::UnixStream::from_std(stream)?;
        self.work.spawn(self.pool.clone().serve(stream));
        Ok(())
    }

    /// Returns when nobody has anything and nothing is emptied.
    #[cfg(test)]
    pub(crate) async fn quiet(&self) {
        while !self.pool.is_quiet() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// What became of what was lent so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.pool.statistics()
    }

    /// Ends all that is kept, and tells what became of what was lent.
    pub async fn close(&self) -> Statistics {
        self.pool.close().await;
        self.statistics()
    }
}

/// A line to a lender of another process that [listens](Lender::listen).
///
/// # Errors
/// When nobody listens under this name.
#[cfg(target_os = "linux")]
pub fn connect(name: &str) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&address(name)?)
}

/// A line to a lender of another process that [listens](Lender::listen).
///
/// # Errors
/// Always: this system has no sockets without a file.
#[cfg(not(target_os = "linux"))]
pub fn connect(_name: &str) -> io::Result<UnixStream> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn address(name: &str) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}
