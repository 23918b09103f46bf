//! Clusters of kind in a pool.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::cluster::KindCluster;
use super::shape::KindShape;
use super::tools::KindTools;
use crate::cluster::ClusterError;
use crate::cluster::pool::{Kept, Lender, Maker, OfThisProcess, SharedTime};

/// Where a cluster of kind is, for whoever borrows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KindPlace {
    /// Its name, as kind knows it.
    pub name: String,
    /// A kubeconfig of its administrator that needs no other file.
    pub kubeconfig: String,
    /// From the first line of its making until its API server answered.
    pub usable: Duration,
}

/// A cluster of kind, as a pool keeps it.
#[derive(Debug)]
pub struct KeptKindCluster(KindCluster);

#[async_trait]
impl Kept for KeptKindCluster {
    type Shape = KindShape;
    type Place = KindPlace;

    fn place(&self) -> KindPlace {
        KindPlace {
            name: self.0.name().to_owned(),
            kubeconfig: self.0.kubeconfig().to_owned(),
            usable: self.0.usable_after(),
        }
    }

    fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    async fn died(&self) -> String {
        self.0.died().await
    }

    async fn halt(&self) {
        self.0.halt().await;
    }

    async fn empty(&self) -> Result<(), String> {
        self.0.restore().await
    }

    fn rest(&self) {}

    fn resume(&self) {}

    async fn throw_away(&self) {
        self.0.delete().await;
    }
}

/// Makes clusters of kind for a pool.
#[derive(Debug)]
pub struct KindClusterMaker {
    tools: KindTools,
    /// For kind's configurations.
    folder: PathBuf,
    /// Whose folder that is.
    _home: tempfile::TempDir,
}

impl KindClusterMaker {
    /// A maker that uses these programs.
    ///
    /// # Errors
    /// When it can have no temporary folder.
    pub fn new(tools: KindTools) -> std::io::Result<Self> {
        let home = tempfile::Builder::new().prefix("catnap-kind-").tempdir()?;
        Ok(Self { tools, folder: home.path().to_path_buf(), _home: home })
    }
}

impl KindClusterMaker {
    /// Lends clusters to as many labs at once.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when this is called in no runtime.
    pub fn lender(tools: KindTools, labs: usize) -> std::io::Result<Lender<Self>> {
        Lender::of(Self::new(tools)?, labs)
    }

    /// Lends them to the tests of this process, which are threads.
    ///
    /// # Errors
    /// Why it does not.
    pub fn lender_of_this_process(tools: KindTools, labs: usize) -> Result<Lender<Self>, String> {
        static LENDER: OfThisProcess<KindClusterMaker> = OfThisProcess::new();
        Lender::of_this_process(&LENDER, || Self::lender(tools, labs))
    }
}

#[async_trait]
impl Maker for KindClusterMaker {
    type Made = KeptKindCluster;

    async fn make(&self, _number: u64, shape: KindShape, _time: SharedTime) -> Result<KeptKindCluster, String> {
        let made = async {
            let cluster = KindCluster::create(&self.tools, &shape, &self.folder).await?;
            cluster.take_inventory().await?;
            Ok::<_, ClusterError>(cluster)
        };
        made.await.map(KeptKindCluster).map_err(|error| crate::causes::error_chain(&error))
    }
}
