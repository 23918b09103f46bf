//! What can be known of a cluster's network and of its identity's rights before anything is created: the same model of
//! the network and the same decision about roles that judge scenarios, asked about resources as Azure shows them, be it
//! a fake one or a real subscription. Everything is read, nothing is changed.

mod finding;
mod network;
mod rights;
mod survey;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Level, Report};
pub use rights::{IN_THE_NODE_RESOURCE_GROUP, ON_THE_NETWORK, ON_THE_SUBNET};

use serde_json::Value;

use crate::azure::{ArmClient, ArmError};
use survey::Survey;

/// What is to be looked at.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Id of a cluster that is there; `None` for one that is to be.
    pub cluster: Option<String>,
    /// Ids of the subnets that node classes name. Of a cluster that is to be, the first is that of its system pool.
    pub subnets: Vec<String>,
    /// `properties.networkProfile` of a cluster that is to be; what it leaves out is AKS's default.
    pub network_profile: Value,
    /// Id of the subnet that the API server of a cluster that is to be goes to.
    pub api_server_subnet: Option<String>,
    /// The cluster's identity: an object id, or the id of a user-assigned identity. That of the cluster, where it is
    /// there and this is none.
    pub identity: Option<String>,
}

/// Why something could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Azure refuses it, or cannot be reached.
    #[error("{0}")]
    Azure(#[from] ArmError),
    /// There is nothing to look at, or what is named is not what it should be.
    #[error("{0}")]
    Plan(String),
}

/// Looks at everything that the plan names.
///
/// # Errors
/// When the plan cannot be looked at: an id that is none, a network profile that AKS refuses, an answer of Azure other
/// than that something is missing or may not be read, which are findings.
pub async fn check(azure: &ArmClient, plan: &Plan) -> Result<Report, CheckError> {
    let mut report = Report::default();
    let Some(survey) = Survey::take(azure, plan, &mut report).await? else { return Ok(report) };
    network::look(&survey, &mut report);
    rights::look(azure, &survey, &mut report).await?;
    Ok(report)
}
