//! Features as resources: list, get, register, unregister.

use std::time::Duration;

use serde_json::{Value, json};

use super::known::{KNOWN, find};
use super::registry::{Entry, FeatureState, Features};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType, submit};
use crate::world::World;
use arm::{ArmError, ResourceId};

const API_VERSIONS: &[&str] = &["2015-12-01", "2021-07-01"];

/// How long a registration takes unless the owner says otherwise. Azure takes minutes.
const DURATION: Duration = Duration::from_millis(500);

struct AllFeatures;
struct NamespaceFeatures;

submit! { ResourceType::new("Microsoft.Features/features", API_VERSIONS, &AllFeatures).computed() }
submit! { ResourceType::new("Microsoft.Features/providers/features", API_VERSIONS, &NamespaceFeatures).computed() }

/// The feature is registered, and its namespace was registered again afterwards.
pub fn is_effective(world: &World, namespace: &str, name: &str) -> bool {
    let entry = |known| world.peek::<Features>().map(|features| features.get(known));
    find(namespace, name).and_then(entry).is_some_and(|entry| entry.effective)
}

impl Handler for AllFeatures {
    fn list(&self, world: &mut World, _: &Request) -> Reply {
        Ok(Answer::list(KNOWN.iter().map(|known| shown(world, *known)).collect()))
    }
}

impl Handler for NamespaceFeatures {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let known = feature_of(&request.id)?;
        Ok(Answer::json(shown(world, known)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let namespace = request.id.name();
        let of = KNOWN.iter().filter(|(known, _)| known.eq_ignore_ascii_case(namespace));
        Ok(Answer::list(of.map(|known| shown(world, *known)).collect()))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        let (during, after) = match action.to_ascii_lowercase().as_str() {
            "register" => (FeatureState::Registering, FeatureState::Registered),
            "unregister" => (FeatureState::Unregistering, FeatureState::Unregistered),
            _ => return None,
        };
        Some(feature_of(&request.id).map(|known| {
            move_to(world, known, during, after);
            Answer::json(shown(world, known))
        }))
    }
}

/// Starts a registration or its end; nothing where it is there already.
fn move_to(world: &mut World, known: (&'static str, &'static str), during: FeatureState, after: FeatureState) {
    let entry = world.state::<Features>().entry(known);
    if entry.state == after || entry.state == during {
        return;
    }
    entry.state = during;
    let duration = world.settings().duration("Microsoft.Features/providers/features/register/action", DURATION);
    world.after(duration, move |world| {
        let entry = world.state::<Features>().entry(known);
        // Whoever changed their mind meanwhile has another change under way.
        if entry.state == during {
            entry.state = after;
        }
    });
}

fn feature_of(id: &ResourceId) -> Result<(&'static str, &'static str), ArmError> {
    let namespace = id.parent().map(|parent| parent.name().to_owned()).unwrap_or_default();
    find(&namespace, id.name()).ok_or_else(|| {
        ArmError::not_found("FeatureNotFound", format!("The feature '{}' could not be found.", id.name()))
    })
}

fn shown(world: &World, (namespace, name): (&'static str, &'static str)) -> Value {
    let features = world.peek::<Features>();
    let Entry { state, .. } = features.map(|features| features.get((namespace, name))).unwrap_or_default();
    json!({
        "id": format!(
            "/subscriptions/{}/providers/Microsoft.Features/providers/{namespace}/features/{name}",
            world.subscription()
        ),
        "name": format!("{namespace}/{name}"),
        "type": "Microsoft.Features/providers/features",
        "properties": { "state": state.name() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;

    const ONE: &str =
        "/providers/Microsoft.Features/providers/Microsoft.ContainerService/features/AzureOverlayDualStackPreview";

    fn path(action: &str) -> String {
        format!("{ONE}{action}?api-version=2021-07-01")
    }

    #[test]
    fn a_feature_is_registered_after_a_while_and_effective_after_its_namespace_is_registered_again() {
        let mut fake = TestFake::new();
        let effective =
            |fake: &TestFake| is_effective(&fake.world, "Microsoft.ContainerService", "azureoverlaydualstackpreview");
        assert_eq!(fake.get(&path("")).expect(200)["properties"]["state"], "NotRegistered");
        let registering = fake.post(&path("/register"), Value::Null).expect(200);
        assert_eq!(registering["properties"]["state"], "Registering");
        assert_eq!(registering["name"], "Microsoft.ContainerService/AzureOverlayDualStackPreview");
        fake.settle();
        assert_eq!(fake.get(&path("")).expect(200)["properties"]["state"], "Registered");
        assert!(!effective(&fake));
        fake.post("/providers/Microsoft.ContainerService/register?api-version=2024-11-01", Value::Null).expect(200);
        assert!(effective(&fake));
        fake.post(&path("/unregister"), Value::Null).expect(200);
        fake.settle();
        assert_eq!(fake.get(&path("")).expect(200)["properties"]["state"], "Unregistered");
        assert!(effective(&fake), "the provider has not looked again");
    }

    #[test]
    fn unknown_features_are_not_found_and_known_ones_are_listed() {
        let mut fake = TestFake::new();
        let unknown = fake.get(&path("").replace("AzureOverlayDualStackPreview", "Nope"));
        assert_eq!((unknown.status, unknown.code()), (404, "FeatureNotFound"));
        let all = fake.get("/providers/Microsoft.Features/features?api-version=2021-07-01").expect(200);
        assert_eq!(all["value"].as_array().unwrap().len(), KNOWN.len());
        let path = "/providers/Microsoft.Features/providers/microsoft.compute/features?api-version=2021-07-01";
        assert_eq!(fake.get(path).expect(200)["value"][0]["name"], "Microsoft.Compute/EncryptionAtHost");
    }
}
