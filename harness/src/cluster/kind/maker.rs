//! Clusters of kind as clusters of a lab.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use components::Binaries;
use futures::FutureExt;
use ipnet::IpNet;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};

use super::cluster::{PROVISIONER, server_of};
use super::kept::KeptKindCluster;
use super::shape::KindShape;
use super::tools::KindTools;
use crate::cluster::client::client;
use crate::cluster::kubeconfig::{Proof, kubeconfig};
use crate::cluster::pool::{Borrower, Loan};
use crate::cluster::{
    BootstrapToken, ClusterError, ClusterMaker, ClusterSpec, Identity, RunningCluster, custom_resource, kwok, object,
};
use crate::process::Child;

/// Borrows clusters of kind.
pub type KindBorrower = Borrower<KeptKindCluster>;

/// For how long the provisioner's token is good: longer than any scenario.
const TOKEN_LASTS: i64 = 24 * 3600;

/// Borrows clusters of kind for a lab, and puts into them what is the lab's own.
#[derive(Debug)]
pub struct KindMaker {
    tools: KindTools,
    lender: KindBorrower,
    fresh: bool,
}

impl KindMaker {
    /// A maker that borrows from `lender`; with `fresh` nobody gets a cluster again that a lab has had.
    #[must_use]
    pub fn new(tools: KindTools, lender: KindBorrower, fresh: bool) -> Self {
        Self { tools, lender, fresh }
    }
}

#[async_trait]
impl ClusterMaker for KindMaker {
    async fn make(&self, spec: ClusterSpec) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        let image = self.tools.image(&spec.kubernetes_version).await?;
        let loan = self.lender.lend(KindShape::of(&spec, image)).await.map_err(ClusterError::NotLent)?;
        if self.fresh {
            loan.damage("clusters were to be fresh");
        }
        match Own::on(&loan, &spec).await {
            Ok(Own { folder, kwok, token, url, ca }) => Ok(Arc::new(Lent { loan, spec, folder, kwok, token, url, ca })),
            Err(error) => {
                loan.damage("what a lab needs did not come up in it");
                loan.give_back();
                Err(error)
            }
        }
    }

    async fn has_version(&self, version: &str) -> Result<(), String> {
        self.tools.image(version).await.map(drop).map_err(|error| error.to_string())
    }

    fn leave(&self) {
        self.lender.leave();
    }
}

/// A cluster of kind that a lab has.
#[derive(Debug)]
struct Lent {
    loan: Loan<KeptKindCluster>,
    spec: ClusterSpec,
    folder: PathBuf,
    kwok: Child,
    /// Of the provisioner's service account.
    token: String,
    url: String,
    ca: String,
}

/// What is the lab's own in a cluster that it has, and where that is.
struct Own {
    folder: PathBuf,
    kwok: Child,
    token: String,
    url: String,
    ca: String,
}

impl Own {
    /// The lab's bootstrap token, the provisioner's token, KWOK.
    async fn on(loan: &Loan<KeptKindCluster>, spec: &ClusterSpec) -> Result<Self, ClusterError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let place = loan.place();
        let admin = client(&place.kubeconfig).await?;
        object::create(&admin, &object::bootstrap_token(&spec.bootstrap_token)).await?;
        let token = provisioner_token(&admin).await?;
        let folder = spec.processes.folder("cluster")?;
        let (url, ca) = server_of(&place.kubeconfig)?;
        for identity in Identity::ALL {
            let text = kubeconfig_of(identity, &place.kubeconfig, &url, &ca, &token);
            write(&folder.join(identity.file_name()), &text)?;
        }
        let configuration = folder.join("kwok.yaml");
        write(&configuration, &kwok::configuration(true, spec.heartbeat.report))?;
        let kubeconfig = folder.join(Identity::Kwok.file_name());
        let kwok = kwok::child(&spec.binaries.kwok, &kubeconfig, &configuration, spec.pod_cidr, spec.heartbeat);
        let kwok = spec.processes.start(kwok).await?;
        Ok(Self { folder, kwok, token, url, ca })
    }
}

/// A token of the provisioner's service account, as a pod of it gets one.
async fn provisioner_token(admin: &kube::Client) -> Result<String, ClusterError> {
    let (namespace, name) = PROVISIONER;
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_LASTS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let given = accounts.create_token_request(name, &PostParams::default(), &request).await;
    let given = given.map_err(|source| ClusterError::Object {
        kind: "TokenRequest".to_owned(),
        name: name.to_owned(),
        source: Box::new(source),
    })?;
    Ok(given.status.unwrap_or_default().token.unwrap_or_default())
}

/// The provisioner shows the token of its service account; everybody else is the administrator that kubeadm has made.
fn kubeconfig_of(identity: Identity, admin: &str, url: &str, ca: &str, token: &str) -> String {
    match identity {
        Identity::Provisioner => kubeconfig(url, ca, identity.user(), &Proof::Token(token.to_owned())),
        _ => admin.to_owned(),
    }
}

fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    std::fs::write(path, text).map_err(|source| ClusterError::File { path: path.to_path_buf(), source })
}

#[async_trait]
impl RunningCluster for Lent {
    fn url(&self) -> String {
        self.url.clone()
    }

    fn ca_pem(&self) -> &str {
        &self.ca
    }

    fn kubeconfig(&self, identity: Identity) -> String {
        kubeconfig_of(identity, &self.loan.place().kubeconfig, &self.url, &self.ca, &self.token)
    }

    fn kubeconfig_path(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.file_name())
    }

    fn provisioner_token(&self) -> String {
        self.token.clone()
    }

    fn bootstrap_token(&self) -> &BootstrapToken {
        &self.spec.bootstrap_token
    }

    fn kubernetes_version(&self) -> &str {
        &self.spec.kubernetes_version
    }

    fn usable_after(&self) -> Duration {
        self.loan.place().usable
    }

    async fn replace_custom_resources(&self, folder: &Path) -> Result<(), ClusterError> {
        let client = self.client(Identity::Admin).await?;
        for definition in custom_resource::read(folder)? {
            custom_resource::replace(&client, &definition).await?;
        }
        Ok(())
    }

    async fn upgrade(&self, _binaries: &Binaries, version: &str) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        Err(ClusterError::CannotChange { what: format!("Kubernetes {version}"), why: "kind does not upgrade clusters" })
    }

    async fn with_pod_range(&self, range: Option<IpNet>) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        let what = range.map_or_else(|| "no range of pods".to_owned(), |range| format!("the range of pods {range}"));
        Err(ClusterError::CannotChange { what, why: "kind does not change the ranges of clusters" })
    }

    async fn died(&self) -> String {
        let kwok = async {
            let exit = self.kwok.exited().await;
            if self.kwok.was_stopped() {
                return std::future::pending().await;
            }
            format!("kwok {exit} by itself; its log is {}", self.kwok.log().display())
        };
        tokio::select! {
            how = self.loan.died() => how,
            how = kwok.boxed() => how,
        }
    }

    async fn stop(&self) {
        self.kwok.stop().await;
        self.loan.damage("its cluster was deleted");
        self.loan.give_back();
    }

    fn give_back(&self) {
        self.loan.give_back();
    }
}
