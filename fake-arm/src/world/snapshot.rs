//! The world as a document: taken at any moment, kept in a file, put back later or elsewhere.
//!
//! What is under way is not in it. An operation that was at work when the snapshot was taken has succeeded in the world
//! that comes out of it: what was created is there, what was deleted is gone. Its status URL is not known any more.

use std::any::Any;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Resource, World};
use crate::directory::{Credentials, InvalidKeySet, Issuer, Principals};

/// The form that this version writes.
const FORMAT: u32 = 1;

/// A world, written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Form of the document.
    pub format: u32,
    /// When it was taken, by the world's clock.
    pub taken: Timestamp,
    /// The Entra tenant.
    pub tenant: Uuid,
    /// The one subscription.
    pub subscription: Uuid,
    /// The directory.
    pub principals: Principals,
    /// All resources, parents before their children.
    pub resources: Vec<Resource>,
    /// What providers know beside the resources, by the name under which they keep it.
    pub states: BTreeMap<String, Value>,
    random: RandomSource,
    request_ids: RandomSource,
    signing_key: String,
    identity_secrets: BTreeMap<String, Uuid>,
    credentials: Credentials,
    trusted_issuers: BTreeMap<String, Value>,
    metadata_principal: Option<Uuid>,
}

/// Where a seeded source of random numbers is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RandomSource {
    seed: String,
    /// A 128-bit number, which JSON's numbers do not hold.
    position: String,
}

/// Why a snapshot cannot be put back. The world is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Another version wrote it.
    #[error("its format is {0}, and this version of fake-arm reads format {FORMAT}")]
    Format(u32),
    /// A part of it is damaged.
    #[error("its '{0}' cannot be read: {1}")]
    Part(String, String),
    /// The keys of a trusted issuer.
    #[error("the keys of the issuer '{0}' cannot be read")]
    Issuer(String, #[source] InvalidKeySet),
}

/// A provider's state that snapshots keep; registered with [`submit!`](crate::provider::submit).
pub struct KeptState {
    name: &'static str,
    save: fn(&World) -> Option<Value>,
    load: fn(&mut World, Value) -> Result<(), serde_json::Error>,
    state: fn() -> std::any::TypeId,
}

inventory::collect!(KeptState);

impl KeptState {
    /// Keeps [`World::state`] of type `T` under a name that does not change.
    pub const fn of<T: Any + Default + Send + Serialize + DeserializeOwned>(name: &'static str) -> Self {
        Self {
            name,
            save: |world| world.peek::<T>().and_then(|state| serde_json::to_value(state).ok()),
            load: |world, value| {
                *world.state::<T>() = serde_json::from_value(value)?;
                Ok(())
            },
            state: std::any::TypeId::of::<T>,
        }
    }
}

impl KeptState {
    /// Says that [`World::state`] of type `T` is left out on purpose: it fills itself again.
    pub const fn dropped<T: Any>(name: &'static str) -> Self {
        Self { name, save: |_| None, load: |_, _| Ok(()), state: std::any::TypeId::of::<T> }
    }
}

impl RandomSource {
    fn of(source: &ChaCha8Rng) -> Self {
        Self { seed: BASE64_STANDARD.encode(source.get_seed()), position: source.get_word_pos().to_string() }
    }

    fn restored(&self, name: &str) -> Result<ChaCha8Rng, RestoreError> {
        let bad = |why: &str| RestoreError::Part(name.to_owned(), why.to_owned());
        let seed = BASE64_STANDARD.decode(&self.seed).map_err(|error| bad(&error.to_string()))?;
        let seed = <[u8; 32]>::try_from(seed).map_err(|_| bad("the seed has another length than 32 bytes"))?;
        let mut source = ChaCha8Rng::from_seed(seed);
        source.set_word_pos(self.position.parse().map_err(|_| bad("the position is no number"))?);
        Ok(source)
    }
}

impl World {
    /// Writes the world down.
    pub fn snapshot(&self) -> Snapshot {
        let states = inventory::iter::<KeptState>
            .into_iter()
            .filter_map(|kept| Some((kept.name.to_owned(), (kept.save)(self)?)))
            .collect();
        let lost = self.states_not_kept();
        if lost > 0 {
            tracing::warn!(lost, "some providers' states are not in the snapshot: nothing is registered to keep them");
        }
        Snapshot {
            format: FORMAT,
            taken: self.now(),
            tenant: self.tenant,
            subscription: self.subscription,
            principals: self.principals.clone(),
            resources: self.resources.iter().cloned().collect(),
            states,
            random: RandomSource::of(&self.random),
            request_ids: RandomSource::of(&self.request_ids),
            signing_key: BASE64_STANDARD.encode(self.issuer.key_document()),
            identity_secrets: self.secrets.clone(),
            credentials: self.credentials.clone(),
            trusted_issuers: self.trusted_issuers.iter().map(|(k, v)| (k.clone(), v.document.clone())).collect(),
            metadata_principal: self.metadata_principal,
        }
    }

    /// Makes the world what a snapshot says. Settings, clock and engine stay. What was being deleted when it was taken is
    /// gone: `remove` takes a resource away, and what stands beside it.
    ///
    /// # Errors
    /// [`RestoreError`]; the world is as it was then.
    pub fn restore(&mut self, snapshot: Snapshot, remove: fn(&mut World, &Resource)) -> Result<(), RestoreError> {
        if snapshot.format != FORMAT {
            return Err(RestoreError::Format(snapshot.format));
        }
        let part = |name: &str, error: &dyn std::fmt::Display| RestoreError::Part(name.to_owned(), error.to_string());
        let key = BASE64_STANDARD.decode(&snapshot.signing_key).map_err(|error| part("signingKey", &error))?;
        let issuer = Issuer::restored(snapshot.tenant, key).map_err(|error| part("signingKey", &error))?;
        let random = snapshot.random.restored("random")?;
        let request_ids = snapshot.request_ids.restored("requestIds")?;

        // Everything that can fail is tried on a world beside this one first.
        let mut beside = World::new(
            std::sync::Arc::clone(&self.clock),
            0,
            snapshot.tenant,
            snapshot.subscription,
            self.settings.clone(),
        )
        .map_err(|error| part("signingKey", &error))?;
        for (name, value) in snapshot.states {
            let Some(kept) = inventory::iter::<KeptState>.into_iter().find(|kept| kept.name == name) else {
                return Err(RestoreError::Part(format!("states.{name}"), "nothing here keeps such a state".into()));
            };
            (kept.load)(&mut beside, value).map_err(|error| part(&format!("states.{name}"), &error))?;
        }
        for (issuer, keys) in snapshot.trusted_issuers {
            beside.trust_issuer(&issuer, keys).map_err(|error| RestoreError::Issuer(issuer, error))?;
        }

        self.tenant = snapshot.tenant;
        self.subscription = snapshot.subscription;
        self.issuer = std::sync::Arc::new(issuer);
        self.random = random;
        self.request_ids = request_ids;
        self.principals = snapshot.principals;
        self.secrets = snapshot.identity_secrets;
        self.credentials = snapshot.credentials;
        self.trusted_issuers = beside.trusted_issuers;
        self.metadata_principal = snapshot.metadata_principal;
        self.state = beside.state;
        self.forget_what_is_under_way();
        self.replace_resources(snapshot.resources, remove);
        Ok(())
    }

    fn replace_resources(&mut self, resources: Vec<Resource>, remove: fn(&mut World, &Resource)) {
        let known: Vec<_> = self.resources.iter().map(|resource| resource.id.clone()).collect();
        for id in known {
            self.resources.remove(&id);
        }
        let mut leaving = Vec::new();
        for mut resource in resources {
            match resource.provisioning_state() {
                "Deleting" => leaving.push(resource.id.clone()),
                "Creating" | "Updating" | "Accepted" | "Running" => resource.set_provisioning_state("Succeeded"),
                _ => {}
            }
            self.resources.insert(resource);
        }
        for id in leaving {
            for id in self.resources.below(&id).into_iter().chain([id]) {
                let Some(resource) = self.resources.get(&id).cloned() else { continue };
                remove(self, &resource);
            }
        }
    }

    /// How many states providers made that no snapshot keeps.
    fn states_not_kept(&self) -> usize {
        let kept: Vec<_> = inventory::iter::<KeptState>.into_iter().map(|kept| (kept.state)()).collect();
        self.state.keys().filter(|state| !kept.contains(state)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;
    use crate::provider::remove;
    use serde_json::json;

    fn fake() -> TestFake {
        let mut fake = TestFake::with_group();
        let network = "/resourceGroups/rg/providers/Microsoft.Network";
        let api = "api-version=2022-01-01";
        let vnet = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}]}});
        fake.put(&format!("{network}/virtualNetworks/v?{api}"), vnet).expect(201);
        nic(&mut fake, "one");
        fake
    }

    fn nic(fake: &mut TestFake, name: &str) -> Value {
        let network = "/resourceGroups/rg/providers/Microsoft.Network";
        let subnet = format!("/subscriptions/{}{network}/virtualNetworks/v/subnets/a", TestFake::SUBSCRIPTION);
        let nic = json!({"location": "eastus", "properties": {"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}]}});
        let made = fake.put(&format!("{network}/networkInterfaces/{name}?api-version=2022-01-01"), nic).expect(201);
        made["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"].clone()
    }

    #[test]
    fn a_world_goes_on_from_its_snapshot() {
        let mut fake = fake();
        fake.settle();
        let text = serde_json::to_string(&fake.world.snapshot()).unwrap();
        let token = {
            let world = &fake.world;
            let principal = crate::directory::Principal {
                object_id: Uuid::from_u128(5),
                client_id: Uuid::from_u128(6),
                kind: crate::directory::PrincipalKind::User,
                display_name: "x".into(),
            };
            let lifetime = std::time::Duration::from_secs(60);
            world.issuer().sign(&world.issuer().claims(&principal, "a", world.now(), lifetime))
        };
        let next = fake.world.uuid();
        let before = fake.get("/resources?api-version=2021-04-01").expect(200);

        let mut other = TestFake::new();
        other.put("/resourceGroups/gone?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
        other.world.restore(serde_json::from_str(&text).unwrap(), remove).unwrap();
        assert_eq!(other.get("/resources?api-version=2021-04-01").expect(200), before);
        assert_eq!(other.get("/resourceGroups/gone?api-version=2021-04-01").status, 404);
        assert_eq!(other.world.uuid(), next, "random choices go on where they were");
        assert!(other.world.issuer().authentic(&token).is_ok(), "tokens stay good");
        assert_eq!(nic(&mut other, "two"), "10.0.1.5", "addresses stay taken");
    }

    #[test]
    fn what_was_under_way_has_ended() {
        let mut fake = fake();
        fake.put("/resourceGroups/leaving?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
        assert_eq!(fake.delete("/resourceGroups/leaving?api-version=2021-04-01").status, 202);
        let snapshot = fake.world.snapshot();
        fake.world.restore(snapshot, remove).unwrap();
        let vnet = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v?api-version=2022-01-01";
        assert_eq!(fake.get(vnet).expect(200)["properties"]["provisioningState"], "Succeeded");
        assert_eq!(fake.get("/resourceGroups/leaving?api-version=2021-04-01").status, 404);
        fake.settle();
    }

    #[test]
    fn damage_is_named_and_changes_nothing() {
        let mut fake = fake();
        let good = serde_json::to_value(fake.world.snapshot()).unwrap();
        for (path, value, part) in [
            ("/format", json!(9), "format is 9"),
            ("/signingKey", json!("AAAA"), "'signingKey'"),
            ("/random/seed", json!("AAAA"), "'random'"),
            ("/states", json!({"bogus": 1}), "'states.bogus'"),
            ("/trustedIssuers", json!({"https://x": {}}), "'https://x'"),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(path).unwrap() = value;
            let error = fake.world.restore(serde_json::from_value(bad).unwrap(), remove).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
            assert_eq!(serde_json::to_value(fake.world.snapshot()).unwrap(), good);
        }
    }
}
