//! The namespaces of a subscription: which resource types each has, and whether it is registered.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::API_VERSIONS;
use crate::catalog::Catalog;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType, submit};
use crate::providers::features;
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

/// How long a registration takes unless the owner says otherwise. Azure takes up to minutes.
const DURATION: Duration = Duration::from_millis(300);
/// Namespaces that every subscription has.
const ALWAYS: [&str; 4] =
    ["Microsoft.Authorization", "Microsoft.Features", "Microsoft.ResourceGraph", "Microsoft.Resources"];

struct Namespaces;

submit! { ResourceType::new("Microsoft.Resources/subscriptions/providers", API_VERSIONS, &Namespaces).computed() }

/// How far a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum RegistrationState {
    NotRegistered,
    Registering,
    #[default]
    Registered,
    Unregistering,
}

impl RegistrationState {
    fn name(self) -> &'static str {
        match self {
            Self::NotRegistered => "NotRegistered",
            Self::Registering => "Registering",
            Self::Registered => "Registered",
            Self::Unregistering => "Unregistering",
        }
    }
}

/// Namespaces that are not as they are at first: registered.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Registrations(BTreeMap<String, RegistrationState>);

submit! { KeptState::of::<Registrations>("Microsoft.Resources/registrations") }

impl Handler for Namespaces {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        one(world, request)
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let mut names: Vec<&str> = Registry::get().iter().map(ResourceType::namespace).collect();
        names.dedup();
        Ok(Answer::list(names.iter().filter_map(|name| shown(world, request.id.as_str(), name)).collect()))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        match action.to_ascii_lowercase().as_str() {
            "register" => Some(register(world, request)),
            "unregister" => Some(unregister(world, request)),
            _ => None,
        }
    }
}

/// A namespace that is not registered takes no changes.
///
/// # Errors
/// 409 `MissingSubscriptionRegistration`, at which the Azure SDKs register it and ask again.
pub(crate) fn check_registered(world: &World, request: &Request) -> Result<(), ArmError> {
    let namespace = request.resource_type.namespace();
    if !matches!(request.method, Method::PUT | Method::PATCH)
        || state_of(world, namespace) == RegistrationState::Registered
    {
        return Ok(());
    }
    Err(ArmError::conflict(
        "MissingSubscriptionRegistration",
        format!(
            "The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how \
             to register subscriptions."
        ),
    )
    .target(namespace))
}

fn known(name: &str) -> Option<&'static str> {
    Registry::get().iter().map(ResourceType::namespace).find(|known| known.eq_ignore_ascii_case(name))
}

fn state_of(world: &World, namespace: &str) -> RegistrationState {
    let states = world.peek::<Registrations>();
    states.and_then(|states| states.0.get(namespace).copied()).unwrap_or_default()
}

/// Registering again what is registered lets its provider look at the preview features.
fn register(world: &mut World, request: &Request) -> Reply {
    let Some(namespace) = known(request.id.name()) else { return Err(unknown(&request.id)) };
    features::propagate(world, namespace);
    if state_of(world, namespace) != RegistrationState::Registered {
        change(world, namespace, RegistrationState::Registering, RegistrationState::Registered);
    }
    one(world, request)
}

fn unregister(world: &mut World, request: &Request) -> Reply {
    let Some(namespace) = known(request.id.name()) else { return Err(unknown(&request.id)) };
    let used = world
        .resources()
        .iter()
        .find(|resource| resource.resource_type.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(namespace)));
    if let Some(used) = used.map(|resource| resource.id.clone()) {
        return Err(ArmError::conflict(
            "CannotUnregisterResourceProvider",
            format!(
                "The namespace '{namespace}' cannot be unregistered while the subscription has resources of it: '{used}'."
            ),
        ));
    }
    if ALWAYS.contains(&namespace) {
        let message = format!("The namespace '{namespace}' cannot be unregistered.");
        return Err(ArmError::conflict("CannotUnregisterResourceProvider", message));
    }
    if state_of(world, namespace) != RegistrationState::NotRegistered {
        change(world, namespace, RegistrationState::Unregistering, RegistrationState::NotRegistered);
    }
    one(world, request)
}

fn change(world: &mut World, namespace: &'static str, during: RegistrationState, after: RegistrationState) {
    world.state::<Registrations>().0.insert(namespace.to_owned(), during);
    let duration = world.settings().duration("Microsoft.Resources/subscriptions/providers/register/action", DURATION);
    world.after(duration, move |world| {
        let states = &mut world.state::<Registrations>().0;
        // Whoever changed their mind meanwhile has another change under way.
        if states.get(namespace) == Some(&during) {
            states.insert(namespace.to_owned(), after);
        }
    });
}

fn one(world: &World, request: &Request) -> Reply {
    let scope = request.id.parent().map(|p| p.to_string()).unwrap_or_default();
    shown(world, &scope, request.id.name()).map(Answer::json).ok_or_else(|| unknown(&request.id))
}

fn unknown(id: &ResourceId) -> ArmError {
    ArmError::not_found("InvalidResourceNamespace", format!("The resource namespace '{}' is invalid.", id.name()))
}

fn shown(world: &World, scope: &str, name: &str) -> Option<Value> {
    let types: Vec<_> = Registry::get().iter().filter(|t| t.namespace().eq_ignore_ascii_case(name)).collect();
    let namespace = types.first()?.namespace();
    let resource_types: Vec<Value> = types.into_iter().map(resource_type).collect();
    let policy = if ALWAYS.contains(&namespace) { "RegistrationFree" } else { "RegistrationRequired" };
    Some(json!({
        "id": format!("{scope}/providers/{namespace}"),
        "namespace": namespace,
        "registrationPolicy": policy,
        "registrationState": state_of(world, namespace).name(),
        "resourceTypes": resource_types,
    }))
}

/// A type with its api-versions, newest first (clients take the first that is no preview), and the regions that have it.
fn resource_type(of: &'static ResourceType) -> Value {
    let mut versions = of.api_versions.to_vec();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let regions: Vec<&str> = match of.tracked {
        true => Catalog::builtin().regions().iter().map(|region| region.display_name.as_str()).collect(),
        false => Vec::new(),
    };
    let capabilities = if of.tracked { "SupportsTags, SupportsLocation" } else { "None" };
    let newest = versions.iter().find(|version| version.len() == 10);
    json!({
        "resourceType": of.path(),
        "locations": regions,
        "apiVersions": versions,
        "defaultApiVersion": newest,
        "capabilities": capabilities,
    })
}

#[cfg(test)]
mod tests {
    use crate::gateway::TestFake;
    use serde_json::{Value, json};

    const COMPUTE: &str = "/providers/Microsoft.Compute";

    fn path(rest: &str) -> String {
        format!("{COMPUTE}{rest}?api-version=2024-11-01")
    }

    #[test]
    fn namespaces_have_types_versions_and_regions() {
        let mut fake = TestFake::new();
        let network = fake.get("/providers/microsoft.network?api-version=2019-05-01").expect(200);
        assert_eq!(
            (&network["namespace"], &network["registrationState"]),
            (&json!("Microsoft.Network"), &json!("Registered"))
        );
        let types = network["resourceTypes"].as_array().unwrap();
        let networks = types.iter().find(|one| one["resourceType"] == "virtualNetworks").unwrap();
        assert!(networks["locations"].as_array().unwrap().contains(&json!("East US")));
        let versions: Vec<&str> =
            networks["apiVersions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(versions.is_sorted_by(|a, b| a >= b), "{versions:?}");
        let registered =
            fake.post("/providers/Microsoft.Network/register?api-version=2019-05-01", json!(null)).expect(200);
        assert_eq!(registered, network);
        let unknown = fake.get("/providers/Microsoft.Bananas?api-version=2019-05-01");
        assert_eq!((unknown.status, unknown.code()), (404, "InvalidResourceNamespace"));
        let all = fake.get("/providers?api-version=2019-05-01").expect(200);
        assert!(all["value"].as_array().unwrap().len() > 2);
    }

    #[test]
    fn what_is_not_registered_takes_no_changes_until_it_is() {
        let mut fake = TestFake::with_group();
        let gone = fake.post(&path("/unregister"), Value::Null).expect(200);
        assert_eq!(gone["registrationState"], "Unregistering");
        fake.settle();
        assert_eq!(fake.get(&path("")).expect(200)["registrationState"], "NotRegistered");
        let disk = "/resourceGroups/rg/providers/Microsoft.Compute/disks/d?api-version=2024-03-02";
        let refused = fake.put(
            disk,
            json!({"location": "eastus", "properties": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 8}}),
        );
        if refused.code() != "NoRegisteredProviderFound" {
            assert_eq!((refused.status, refused.code()), (409, "MissingSubscriptionRegistration"));
            assert_eq!(
                refused.message(),
                "The subscription is not registered to use namespace 'Microsoft.Compute'. See https://aka.ms/rps-not-found for how to register subscriptions."
            );
        }
        assert_eq!(fake.post(&path("/register"), Value::Null).expect(200)["registrationState"], "Registering");
        fake.settle();
        assert_eq!(fake.get(&path("")).expect(200)["registrationState"], "Registered");
    }

    #[test]
    fn what_is_used_and_what_everybody_has_stays_registered() {
        let mut fake = TestFake::with_group();
        let address = "/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/p?api-version=2022-01-01";
        fake.put(address, json!({"location": "eastus"})).expect(201);
        for namespace in ["Microsoft.Network", "Microsoft.Resources"] {
            let refused = fake.post(&format!("/providers/{namespace}/unregister?api-version=2024-11-01"), Value::Null);
            assert_eq!((refused.status, refused.code()), (409, "CannotUnregisterResourceProvider"), "{namespace}");
        }
    }
}
