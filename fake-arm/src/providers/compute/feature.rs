//! Preview features that machines need, and whether the subscription has registered them.

use std::collections::BTreeSet;

use crate::world::World;

/// Encryption at host must be asked for once per subscription.
pub(super) const ENCRYPTION_AT_HOST: &str = "Microsoft.Compute/EncryptionAtHost";

/// Features of `Microsoft.Compute` that the world's owner has registered; `world.state::<ComputeFeatures>()`.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct ComputeFeatures(BTreeSet<String>);

impl ComputeFeatures {
    /// Registers a feature: `Microsoft.Compute/EncryptionAtHost`.
    pub fn register(&mut self, feature: &str) {
        self.0.insert(feature.to_ascii_lowercase());
    }
}

/// The subscription has registered the feature.
pub(super) fn is_registered(world: &World, feature: &str) -> bool {
    world.peek::<ComputeFeatures>().is_some_and(|known| known.0.contains(&feature.to_ascii_lowercase()))
}
