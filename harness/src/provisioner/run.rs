//! The provisioner as a process: started, watched, stopped, started again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;
use url::Url;

use super::cause::cause;
use super::environment::{ProvisionerWorld, Start, azure_environment, environment};
use super::follow::Follower;
use super::proxy::ArmProxy;
use super::settings::ProvisionerSettings;
use super::version::ArmRoute;
use crate::process::{
    Child, ChildSpec, Exit, PortError, PortLease, Probe, ProcessError, Processes, ServiceAccountFiles,
};

/// Its name among the processes of the lab, and so of its log.
const NAME: &str = "karpenter";

/// Starts that are tried when a stranger takes a port between choosing and binding.
const ATTEMPTS: usize = 3;

/// The provisioner of a cluster. Clones share it.
#[derive(Debug, Clone)]
pub struct Provisioner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    processes: Processes,
    world: ProvisionerWorld,
    environment_file: PathBuf,
    running: Mutex<Option<Running>>,
    settings: Mutex<ProvisionerSettings>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    follower: Follower,
    health: Url,
    metrics: Url,
    _proxy: Option<ArmProxy>,
}

/// The provisioner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionerError {
    /// The cluster's name cannot be handed to this version.
    #[error(
        "failed to start the provisioner {version}: the cluster's API server name {fqdn} is shorter than {shortest} \
         characters, on which this version panics; give the cluster a longer dnsPrefix"
    )]
    ShortEndpoint {
        /// Version of the provisioner.
        version: String,
        /// Host name of the API server.
        fqdn: String,
        /// Shortest name that works.
        shortest: usize,
    },
    /// It ended or hung for a reason that is known.
    #[error("failed to start the provisioner {}: {cause}\n{source}", program.display())]
    Explained {
        /// What was run.
        program: PathBuf,
        /// The reason in words.
        cause: &'static str,
        /// What the process did.
        source: ProcessError,
    },
    /// It ended or hung, and why is not known.
    #[error(
        "failed to start the provisioner {}: {source}\nif this is no executable of karpenter-provider-azure, give the \
         path of one with --provisioner, or leave that option away for the pinned version", program.display()
    )]
    Unexplained {
        /// What was run.
        program: PathBuf,
        /// What the process did.
        source: ProcessError,
    },
    /// It could not be run.
    #[error("failed to start the provisioner: {0}")]
    Process(#[from] ProcessError),
    /// No port for it.
    #[error("failed to start the provisioner: {0}")]
    Port(#[from] PortError),
    /// A file that it needs, or the proxy that it goes through.
    #[error("failed to prepare {what} for the provisioner")]
    Prepare {
        /// What was being made.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

impl ProvisionerError {
    /// Whether what was to be run is no provisioner, as far as one can tell: it cannot be executed, or it ended by itself
    /// without the panic by which one says what it misses.
    #[must_use]
    pub fn is_no_provisioner(&self) -> bool {
        match self {
            Self::Process(ProcessError::NotExecutable { .. }) => true,
            Self::Unexplained { source: ProcessError::ExitedEarly { log, .. }, .. } => {
                !crate::process::tail(log, usize::MAX).contains("panic")
            }
            _ => false,
        }
    }
}

impl Provisioner {
    /// Starts a provisioner for a cluster and waits until it is ready. The CRDs of the same version must be there: it
    /// looks for them every 10 s and gives up after 2 minutes.
    ///
    /// # Errors
    /// [`ProvisionerError`], with the cause in words where it is one of the known ones.
    pub async fn start(
        processes: &Processes,
        world: ProvisionerWorld,
        settings: ProvisionerSettings,
    ) -> Result<Self, ProvisionerError> {
        let environment_file = processes.folder(NAME)?.join("azure-environment.json");
        let prepare = |source| ProvisionerError::Prepare { what: environment_file.display().to_string(), source };
        std::fs::write(&environment_file, azure_environment(&world).to_string()).map_err(prepare)?;
        let provisioner = Self(Arc::new(Inner {
            processes: processes.clone(),
            world,
            environment_file,
            running: Mutex::default(),
            settings: Mutex::new(settings),
        }));
        let mut running = provisioner.0.running.lock().await;
        *running = Some(provisioner.0.launch(&provisioner.0.settings.lock().await.clone()).await?);
        drop(running);
        Ok(provisioner)
    }

    /// Stops it, if it runs, and returns when it is gone and its log is recorded. It has no signal handler: SIGTERM
    /// ends it at once, in the middle of whatever it does.
    pub async fn stop(&self) -> Option<Exit> {
        let running = self.0.running.lock().await.take()?;
        let exit = running.child.stop().await;
        running.follower.finish().await;
        Some(exit)
    }

    /// Kills it, if it runs, as a machine that loses power would.
    pub async fn kill(&self) -> Option<Exit> {
        let running = self.0.running.lock().await.take()?;
        let exit = running.child.kill().await;
        running.follower.finish().await;
        Some(exit)
    }

    /// Stops it and starts it as it was.
    ///
    /// # Errors
    /// As [`Provisioner::start`].
    pub async fn restart(&self) -> Result<(), ProvisionerError> {
        let settings = self.0.settings.lock().await.clone();
        self.restart_as(settings).await
    }

    /// Stops it and starts it with other settings: another version, another environment.
    ///
    /// # Errors
    /// As [`Provisioner::start`].
    pub async fn restart_as(&self, settings: ProvisionerSettings) -> Result<(), ProvisionerError> {
        self.stop().await;
        let mut running = self.0.running.lock().await;
        *self.0.settings.lock().await = settings.clone();
        *running = Some(self.0.launch(&settings).await?);
        Ok(())
    }

    /// Waits until it has ended, by itself or because it was stopped; `None` where it does not run.
    pub async fn exited(&self) -> Option<Exit> {
        let child = self.child().await?;
        Some(child.exited().await)
    }

    /// Its process, for faults that pause or signal it; `None` where it does not run.
    pub async fn child(&self) -> Option<Child> {
        self.0.running.lock().await.as_ref().map(|running| running.child.clone())
    }

    /// `http://127.0.0.1:PORT/` with `readyz` and `healthz`; `None` where it does not run.
    pub async fn health(&self) -> Option<Url> {
        self.0.running.lock().await.as_ref().map(|running| running.health.clone())
    }

    /// `http://127.0.0.1:PORT/metrics`; `None` where it does not run.
    pub async fn metrics(&self) -> Option<Url> {
        self.0.running.lock().await.as_ref().map(|running| running.metrics.clone())
    }

    /// How it was started last.
    pub async fn settings(&self) -> ProvisionerSettings {
        self.0.settings.lock().await.clone()
    }
}

impl Inner {
    async fn launch(&self, settings: &ProvisionerSettings) -> Result<Running, ProvisionerError> {
        let shortest = settings.version.traits().shortest_endpoint_host;
        // A scenario that sets the endpoint itself wants to see what comes of it.
        if self.world.cluster.fqdn.len() < shortest && !settings.environment.contains_key("CLUSTER_ENDPOINT") {
            return Err(ProvisionerError::ShortEndpoint {
                version: settings.version.to_string(),
                fqdn: self.world.cluster.fqdn.clone(),
                shortest,
            });
        }
        let mut attempts = 1;
        loop {
            match self.attempt(settings).await {
                Err(
                    ProvisionerError::Unexplained { source: error, .. }
                    | ProvisionerError::Explained { source: error, .. },
                ) if error.is_port_taken() && attempts < ATTEMPTS => {
                    attempts += 1;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&self, settings: &ProvisionerSettings) -> Result<Running, ProvisionerError> {
        let (health, metrics) = (PortLease::take()?, PortLease::take()?);
        let proxy = match settings.version.arm_route() {
            ArmRoute::EnvironmentFile => None,
            ArmRoute::Proxy => Some(ArmProxy::start(&self.world.arm_endpoint).await.map_err(|source| {
                ProvisionerError::Prepare { what: "the proxy to the ARM endpoint".into(), source }
            })?),
        };
        let start = Start {
            health_port: health.port(),
            metrics_port: metrics.port(),
            environment_file: self.environment_file.clone(),
            proxy: proxy.as_ref().map(ArmProxy::url),
        };
        let name = self.free_name();
        let url = |lease: &PortLease, path: &str| {
            Url::parse(&format!("http://{}/{path}", lease.address())).expect("an address makes a URL")
        };
        let (health_url, metrics_url) = (url(&health, ""), url(&metrics, "metrics"));
        let spec = ChildSpec::new(&name, &settings.program)
            .args(&settings.arguments)
            .envs(environment(&self.world, settings, &start))
            .service_account(self.service_account())
            .ready(Probe::http(url(&health, "readyz").as_str()))
            .ready_within(settings.ready_within)
            .holding(health)
            .holding(metrics);
        let log = self.processes.logs().join(format!("{name}.log"));
        let follower = Follower::follow(&log, self.processes.history().clone());
        match self.processes.start(spec).await {
            Ok(child) => Ok(Running { child, follower, health: health_url, metrics: metrics_url, _proxy: proxy }),
            Err(error) => {
                follower.finish().await;
                Err(explain(&settings.program, error))
            }
        }
    }

    /// Each cluster of a lab has a provisioner; the log that is followed must be the right one's.
    fn free_name(&self) -> String {
        let running = self.processes.running();
        let numbered = (2..).map(|number| format!("{NAME}-{number}"));
        let mut names = std::iter::once(NAME.to_owned()).chain(numbered);
        names.find(|name| running.iter().all(|child| child.name() != name)).unwrap_or_default()
    }

    /// The token is the provisioner's way to the cluster that it runs in, which it asks for one ConfigMap only, and only
    /// when `SYSTEM_NAMESPACE` is set.
    fn service_account(&self) -> ServiceAccountFiles {
        ServiceAccountFiles {
            token: self.world.service_account_token.clone(),
            ca_crt: self.world.api_server_ca.clone(),
            namespace: "kube-system".into(),
        }
    }
}

fn explain(program: &Path, error: ProcessError) -> ProvisionerError {
    let (ProcessError::ExitedEarly { log, tail, .. } | ProcessError::NotReady { log, tail, .. }) = &error else {
        return ProvisionerError::Process(error);
    };
    let program = program.to_path_buf();
    // A panic's message comes before the stacks of all goroutines, which is more than a reader wants to be shown.
    match cause(tail).or_else(|| cause(&crate::process::tail(log, usize::MAX))) {
        Some(cause) => ProvisionerError::Explained { program, cause, source: error },
        None => ProvisionerError::Unexplained { program, source: error },
    }
}
