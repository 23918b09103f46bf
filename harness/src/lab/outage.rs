//! What befalls a cluster's own processes: the end of its provisioner in the middle of its work and its return, a control
//! plane of another version.

use super::{Cluster, Lab};
use crate::expect::{Failure, Outcome};
use crate::history::Event;

impl Lab {
    /// Kills the provisioner of a cluster, as a machine that loses power would. Only where the lab starts the
    /// provisioner itself.
    ///
    /// # Errors
    /// When none is running, or the lab is over.
    pub async fn kill_provisioner(&self, cluster: &Cluster) -> Outcome {
        self.history.record(Event::Step { text: "kill the provisioner".to_owned() });
        let (engine, id) = (self.engine.clone(), cluster.id().to_owned());
        match self.on_own_threads(async move { engine.kill_provisioner(&id).await }).await? {
            true => Ok(()),
            false => Err(Failure::new(format!("the cluster {} has no provisioner that runs", cluster.id()))),
        }
    }

    /// Starts the provisioner of a cluster again, after it was killed or, where it runs, in its place, with what
    /// [`Lab::provisioner`] says now. Only where the lab starts the provisioner itself.
    ///
    /// # Errors
    /// When it does not start, or the lab is over.
    pub async fn restart_provisioner(&self, cluster: &Cluster) -> Outcome {
        self.history.record(Event::Step { text: "start the provisioner again".to_owned() });
        let (engine, id) = (self.engine.clone(), cluster.id().to_owned());
        let started = self.on_own_threads(async move { engine.restart_provisioner(&id).await }).await?;
        started.map_err(Failure::new)
    }

    /// Gives a cluster's control plane the programs of another version of Kubernetes, an older one too, past Azure, which
    /// would let it be upgraded only and goes on showing the version that it knows: a control plane that was set back.
    ///
    /// # Errors
    /// Where the programs of the version are not at hand ([`Lab::needs_kubernetes`] makes sure), or do not start.
    pub async fn run_control_plane(&self, cluster: &Cluster, version: &str) -> Outcome {
        self.history.record(Event::Step { text: format!("the control plane runs Kubernetes {version} from here on") });
        let (engine, id, version) = (self.engine.clone(), cluster.id().to_owned(), version.to_owned());
        let replaced = self.on_own_threads(async move { engine.run_version(&id, &version).await }).await?;
        replaced.map_err(Failure::new)
    }

    /// Does something where the lab's processes live: what follows them must outlive the scenario's own threads.
    async fn on_own_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Failure> {
        let runtime = self.runtime.as_ref().ok_or_else(|| Failure::new("the lab is over"))?;
        Ok(runtime.handle().spawn(work).await?)
    }
}
