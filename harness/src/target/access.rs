//! How a scenario reaches the Azure of its lab.

use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use super::start_error::StartError;
use crate::azure::{ArmClient, Credential};
use crate::clock::LabClock;

/// How a scenario reaches the Azure of its lab, and as whom.
#[derive(Clone)]
pub struct AzureAccess {
    /// Azure Resource Manager.
    pub endpoint: Url,
    /// Certificates to trust there, as PEM; `None` for the system's.
    pub ca: Option<String>,
    /// The same in a file.
    pub ca_file: Option<PathBuf>,
    /// Who asks: someone who owns the subscription.
    pub credential: Arc<dyn Credential>,
    /// Subscription id.
    pub subscription: String,
    /// ARM region, `eastus`.
    pub location: String,
    /// What the scenario's own things are called.
    pub names: Names,
}

impl std::fmt::Debug for AzureAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureAccess").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl AzureAccess {
    /// A client for whoever owns the subscription, in the time of `clock`.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn client(&self, clock: &LabClock) -> Result<ArmClient, StartError> {
        self.client_as(self.credential.clone(), clock)
    }

    /// A client for someone else.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub fn client_as(&self, credential: Arc<dyn Credential>, clock: &LabClock) -> Result<ArmClient, StartError> {
        let client = ArmClient::new(self.endpoint.clone(), self.ca.as_deref(), credential, clock.clone());
        client.map_err(|error| {
            StartError::Azure(format!("no client of {}: {}", self.endpoint, crate::causes::error_chain(&error)))
        })
    }
}

/// What resource groups of a scenario are called: by the names of the documents where it has a subscription to itself,
/// else by names that no other run has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The resource group that everything goes to unless the scenario says otherwise.
    pub resource_group: String,
    /// What the name of a further resource group begins with.
    pub prefix: String,
}

impl Names {
    /// The names of the documents, for a subscription that no one else uses.
    #[must_use]
    pub fn documented() -> Self {
        Self { resource_group: "my-aks-rg".to_owned(), prefix: String::new() }
    }

    /// Names that begin with `own`, for a subscription in which others are at work.
    #[must_use]
    pub fn beginning_with(own: &str) -> Self {
        Self { resource_group: format!("{own}-rg"), prefix: format!("{own}-") }
    }
}
