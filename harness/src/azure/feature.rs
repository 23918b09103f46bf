//! Preview features of a subscription (`az feature register`, `az provider register`).

use std::time::Duration;

use serde_json::Value;

use super::{ArmError, Azure};

/// `Microsoft.Features`.
const FEATURES: &str = "2021-07-01";
/// Between two looks at a registration, in cluster time.
const PAUSE: Duration = Duration::from_secs(5);
/// Looks until a registration is given up. Azure takes minutes.
const LOOKS: u32 = 180;

impl Azure {
    /// Asks for a feature, `Microsoft.ContainerService/AzureOverlayDualStackPreview` for example, and does not wait
    /// (`az feature register`). Its state as Azure answers, `Registering`.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn begin_registration(&self, feature: &str) -> Result<String, ArmError> {
        self.step(format!("register the feature {feature}"));
        let answer = self.client().post(&format!("{}/register", self.feature(feature)), FEATURES, &Value::Null).await?;
        Ok(state(&answer))
    }

    /// State of a feature: `NotRegistered`, `Registering`, `Registered` (`az feature show`).
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn feature_state(&self, feature: &str) -> Result<String, ArmError> {
        Ok(state(&self.client().get(&self.feature(feature), FEATURES).await?))
    }

    /// Asks for a feature and waits until it is registered. It counts once its
    /// [provider is registered](Self::register_provider) again.
    ///
    /// # Errors
    /// What Azure answers, or that the registration has not ended after a quarter of an hour.
    pub async fn register_feature(&self, feature: &str) -> Result<(), ArmError> {
        let mut now = self.begin_registration(feature).await?;
        for _ in 0..LOOKS {
            if now == "Registered" {
                return Ok(());
            }
            self.client().pause(PAUSE).await;
            now = self.feature_state(feature).await?;
        }
        Err(ArmError::Unexpected {
            method: "POST".into(),
            id: self.feature(feature),
            what: format!("the feature is {now} for a quarter of an hour"),
        })
    }

    /// Registers a namespace, `Microsoft.ContainerService` for example (`az provider register`).
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn register_provider(&self, namespace: &str) -> Result<(), ArmError> {
        self.step(format!("register the provider {namespace}"));
        let id = format!("/subscriptions/{}/providers/{namespace}/register", self.subscription_id());
        self.client().post(&id, super::api_version::RESOURCES, &Value::Null).await.map(|_| ())
    }

    fn feature(&self, feature: &str) -> String {
        let (namespace, name) = feature.split_once('/').unwrap_or((feature, ""));
        let subscription = self.subscription_id();
        format!("/subscriptions/{subscription}/providers/Microsoft.Features/providers/{namespace}/features/{name}")
    }
}

fn state(feature: &Value) -> String {
    feature["properties"]["state"].as_str().unwrap_or_default().to_owned()
}
