//! Preview features that machines need, and whether the subscription has registered them.

use std::collections::BTreeSet;

use crate::providers::features;
use crate::world::{KeptState, World};

/// Encryption at host must be asked for once per subscription.
pub(super) const ENCRYPTION_AT_HOST: &str = "Microsoft.Compute/EncryptionAtHost";

inventory::submit! { KeptState::of::<ComputeFeatures>("Microsoft.Compute/features") }

/// Features of `Microsoft.Compute` that the world's owner has registered beside `Microsoft.Features`, effective at once;
/// `world.state::<ComputeFeatures>()`.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ComputeFeatures(BTreeSet<String>);

impl ComputeFeatures {
    /// Registers a feature: `Microsoft.Compute/EncryptionAtHost`.
    pub fn register(&mut self, feature: &str) {
        self.0.insert(feature.to_ascii_lowercase());
    }
}

/// The feature has taken effect for the subscription: through `Microsoft.Features`, or because the owner says so.
pub(super) fn is_registered(world: &World, feature: &str) -> bool {
    let through_arm = |(namespace, name)| features::is_effective(world, namespace, name);
    feature.split_once('/').is_some_and(through_arm)
        || world.peek::<ComputeFeatures>().is_some_and(|known| known.0.contains(&feature.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::gateway::TestFake;

    #[test]
    fn a_feature_counts_once_its_namespace_was_registered_again() {
        let mut fake = TestFake::new();
        let known = |fake: &TestFake| is_registered(&fake.world, ENCRYPTION_AT_HOST);
        let feature = "/providers/Microsoft.Features/providers/Microsoft.Compute/features/EncryptionAtHost";
        fake.post(&format!("{feature}/register?api-version=2021-07-01"), Value::Null).expect(200);
        fake.settle();
        assert!(!known(&fake));
        fake.post("/providers/Microsoft.Compute/register?api-version=2024-11-01", Value::Null).expect(200);
        assert!(known(&fake));
    }

    #[test]
    fn the_owner_can_register_a_feature_at_once() {
        let mut fake = TestFake::new();
        assert!(!is_registered(&fake.world, ENCRYPTION_AT_HOST));
        fake.world.state::<ComputeFeatures>().register("microsoft.compute/encryptionathost");
        assert!(is_registered(&fake.world, ENCRYPTION_AT_HOST));
    }
}
