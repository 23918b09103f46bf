//! Who lends API servers: to the labs of this process, or to those of the scenarios of a run.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use super::api_server::ApiServerMaker;
use crate::clock::LabClock;
use crate::cluster::pool::{Pool, Statistics};
use crate::history::History;
use crate::process::Processes;

/// Keeps API servers that scenarios have left and lends them to others, as long as they are what a fresh one is. Clones
/// share it. What is kept ends with this process at the latest, however that ends.
#[derive(Debug, Clone)]
pub struct Lender {
    pool: Pool<ApiServerMaker>,
    work: tokio::runtime::Handle,
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

impl Lender {
    /// A lender for as many labs at once, that works in the runtime in which this is called.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn new(labs: usize) -> io::Result<Self> {
        let history = History::new(LabClock::real(), None)?;
        // For its folder, which goes with this process: what API servers say is kept by the labs that they work for.
        let home = Processes::new(std::env::temp_dir(), history).map_err(io::Error::other)?;
        let maker = ApiServerMaker { logs: home.folder("logs").map_err(io::Error::other)?, _home: home };
        Ok(Self {
            pool: Pool::new(maker, labs),
            work: tokio::runtime::Handle::try_current().map_err(io::Error::other)?,
        })
    }

    /// The one of this process, for tests that run in one process as threads.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of_this_process(labs: usize) -> Result<Self, String> {
        static LENDER: OnceLock<Result<(Lender, Arc<tokio::runtime::Runtime>), String>> = OnceLock::new();
        let made = || -> io::Result<_> {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .thread_name("catnap-lender")
                .enable_all()
                .build()?;
            let _entered = runtime.enter();
            let lender = Self::new(labs)?;
            drop(_entered);
            Ok((lender, Arc::new(runtime)))
        };
        let made = LENDER.get_or_init(|| made().map_err(|error| error.to_string()));
        made.as_ref().map(|(lender, _)| lender.clone()).map_err(Clone::clone)
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
