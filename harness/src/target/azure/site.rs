//! Stands up a lab in an Azure elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::look::Look;
use super::place::access;
use crate::azure::{ArmClient, ArmError, api_version};
use crate::clock::LabClock;
use crate::report::ProgressWriter;
use crate::settings::Settings;
use crate::target::{
    AzureAccess, Capabilities, CapabilityKind, Entered, Names, Site, StartError, Surroundings, Target,
};

/// Nothing but ARM and Kubernetes, somewhere else.
#[derive(Debug)]
pub struct AzureElsewhere;

impl AzureElsewhere {
    /// The endpoint of the Azure that the environment names. Nothing is asked there.
    ///
    /// # Errors
    /// A sentence that names the variable that is missing or makes no sense.
    pub fn named() -> Result<String, StartError> {
        let azure = access(|name| std::env::var(name).ok(), Names::documented())?;
        Ok(azure.endpoint.to_string())
    }
}

#[async_trait]
impl Target for AzureElsewhere {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn summary(&self) -> &'static str {
        "an Azure elsewhere that CATNAP_ARM_ENDPOINT names: nothing but ARM and Kubernetes, in real time"
    }

    fn capabilities(&self) -> &'static [CapabilityKind] {
        &[]
    }

    fn is_built_here(&self) -> bool {
        false
    }

    async fn enter(&self, settings: &Settings, progress: &ProgressWriter) -> Result<Box<dyn Entered>, StartError> {
        progress.step("reach Azure");
        let own = own_name(settings);
        let (azure, client) = reach(&own)?;
        let subscription = format!("/subscriptions/{}", azure.subscription);
        let seen = client.get(&subscription, api_version::RESOURCES).await;
        seen.map_err(|error| {
            StartError::Azure(format!("the subscription cannot be used: {}", crate::causes::error_chain(&error)))
        })?;
        Ok(Box::new(Reached { azure, own }))
    }
}

/// A way to the Azure that the environment names, as whoever makes a scenario's things has it. Each has connections of its
/// own: they live in the runtime in which they were used first, which need not be running any more when they are wanted.
fn reach(own: &str) -> Result<(AzureAccess, ArmClient), StartError> {
    let azure = access(|name| std::env::var(name).ok(), Names::beginning_with(own))?;
    let client = azure.client(&LabClock::real())?;
    Ok((azure, client))
}

/// What the names of a lab's own begin with: told from those of any other scenario and run.
fn own_name(settings: &Settings) -> String {
    let scenario = Uuid::new_v5(&Uuid::NAMESPACE_OID, settings.scenario.as_bytes()).simple().to_string();
    format!("catnap-{}-{}", settings.seed, &scenario[..8])
}

/// A subscription that can be used.
struct Reached {
    azure: AzureAccess,
    own: String,
}

#[async_trait]
impl Entered for Reached {
    fn clock(&self) -> LabClock {
        LabClock::real()
    }

    async fn stand_up(self: Box<Self>, surroundings: Surroundings) -> Result<Box<dyn Site>, StartError> {
        let Self { azure, own } = *self;
        let (_, client) = reach(&own)?;
        // Whoever repeats a scenario with its seed would find what a killed one has left.
        let left = groups_of(&client, &azure.subscription, &own).await;
        let left = left.map_err(|error| StartError::Azure(crate::causes::error_chain(&error)))?;
        if !left.is_empty() {
            return Err(StartError::Azure(format!(
                "the resource groups {} are there from another run with this seed; delete them, or choose another seed",
                left.join(", ")
            )));
        }
        surroundings.history.azure_is_polled();
        let look = Look {
            azure: client.clone(),
            subscription: azure.subscription.clone(),
            own: own.clone(),
            history: surroundings.history,
        };
        let looking = tokio::spawn(look.again_and_again());
        let capabilities = Capabilities::default();
        Ok(Box::new(AzureSite { azure, client, own, capabilities, work: Handle::current(), looking }))
    }
}

/// A lab's part of a subscription.
#[derive(Debug)]
struct AzureSite {
    azure: AzureAccess,
    client: ArmClient,
    own: String,
    capabilities: Capabilities,
    work: Handle,
    looking: JoinHandle<()>,
}

#[async_trait]
impl Site for AzureSite {
    fn azure(&self) -> &AzureAccess {
        &self.azure
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn has_kubernetes(&self, version: &str) -> Result<(), String> {
        let list = format!(
            "/subscriptions/{}/providers/Microsoft.ContainerService/locations/{}/kubernetesVersions",
            self.azure.subscription, self.azure.location
        );
        // On the lab's own threads: its connections must outlive the scenario's, to delete what is left by.
        let client = self.client.clone();
        let asked = self.work.spawn(async move { client.get(&list, api_version::CONTAINER_SERVICE).await });
        let listed = asked.await.map_err(|error| error.to_string())?;
        let listed = listed.map_err(|error| crate::causes::error_chain(&error))?;
        if offers(&listed, version) {
            return Ok(());
        }
        Err(format!("AKS does not offer Kubernetes {version} in {}", self.azure.location))
    }

    async fn has_provisioner(&self, _version: &str) -> Result<(), String> {
        Err("the provisioner is Azure's own there, and has the version that it has".to_owned())
    }

    /// Deletes everything that the lab has made.
    fn stop(&self) -> Result<(), String> {
        self.looking.abort();
        let (client, subscription, own) = (self.client.clone(), self.azure.subscription.clone(), self.own.clone());
        let work = self.work.clone();
        // A lab ends where a scenario's own runtime may be running, in which nothing may be waited for.
        let deleting = std::thread::spawn(move || {
            work.block_on(async {
                tokio::time::timeout(DELETING, delete_groups_of(&client, &subscription, &own)).await
            })
        });
        let why = match deleting.join() {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => crate::causes::error_chain(&error),
            Ok(Err(_)) => format!("it takes more than {DELETING:?}"),
            Err(_) => "the thread that does it panicked".to_owned(),
        };
        Err(format!("not all resource groups whose names begin with {} are deleted: {why}", self.own))
    }
}

fn offers(listed: &Value, version: &str) -> bool {
    let values = listed["values"].as_array().into_iter().flatten();
    values.filter_map(|minor| minor["patchVersions"].as_object()).any(|patches| patches.contains_key(version))
}

/// The names of the resource groups that begin with `own`.
async fn groups_of(client: &ArmClient, subscription: &str, own: &str) -> Result<Vec<String>, ArmError> {
    let groups = client.list(&format!("/subscriptions/{subscription}/resourceGroups"), api_version::RESOURCES).await?;
    let names = groups.iter().filter_map(|group| group["name"].as_str());
    let is_own = |name: &&str| name.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own));
    Ok(names.filter(is_own).map(str::to_owned).collect())
}

/// How long the deletion of a lab's resource groups may take, in real time.
const DELETING: Duration = Duration::from_secs(10 * 60);

/// How often it is looked whether the groups are gone.
const LOOK: Duration = Duration::from_millis(500);

async fn delete_groups_of(client: &ArmClient, subscription: &str, own: &str) -> Result<(), ArmError> {
    loop {
        let groups = groups_of(client, subscription, own).await?;
        if groups.is_empty() {
            return Ok(());
        }
        for group in groups {
            client
                .delete(&format!("/subscriptions/{subscription}/resourceGroups/{group}"), api_version::RESOURCES)
                .await?;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_version_is_offered_by_its_patch() {
        let listed = json!({ "values": [{ "version": "1.34", "patchVersions": { "1.34.4": {} } }] });
        assert!(offers(&listed, "1.34.4"));
        assert!(!offers(&listed, "1.34.3") && !offers(&json!({}), "1.34.4"));
    }
}
