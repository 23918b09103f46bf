//! How a written world comes into a fake.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::{SettingsEntry, WorldDocument};
use crate::directory::{ClientSecret, InvalidKeySet, Principal, PrincipalKind};
use crate::provider::{Registry, internal_put};
use crate::providers::authorization;
use crate::providers::resources::GROUP;
use crate::world::{Throttling, World};
use arm::{ArmError, InvalidResourceId, ResourceId};

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedSummary {
    /// Ids of the principals, as `clientId` and `objectId`, by their names.
    pub principals: Vec<Value>,
    /// How many resources.
    pub resources: usize,
}

/// Why a part of a written world does not come in. What stands before it has.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A duration.
    #[error("settings: '{0}' is no duration (90s, 15m, 2h)")]
    Duration(String),
    /// An issuer's keys.
    #[error("issuers: the keys of '{0}' cannot be read")]
    Issuer(String, #[source] InvalidKeySet),
    /// A role or its scope.
    #[error("principals: '{principal}' cannot be given the role '{role}': {message}")]
    Role {
        /// Who.
        principal: String,
        /// Which role.
        role: String,
        /// Why not.
        message: String,
    },
    /// A resource's id.
    #[error("resources, number {number}")]
    Id {
        /// Position, from 1.
        number: usize,
        /// Why.
        #[source]
        source: InvalidResourceId,
    },
    /// Azure refuses the resource.
    #[error("resources, number {number} ('{id}'): Azure refuses it: {code}: {message}")]
    Refused {
        /// Position, from 1.
        number: usize,
        /// Its id.
        id: ResourceId,
        /// Azure's code.
        code: String,
        /// Azure's message.
        message: String,
    },
}

/// Adds everything that a document says. Resources are made by their providers, so that what Azure fills in is filled
/// in, and are ready at once.
///
/// # Errors
/// [`SeedError`], which names the part.
pub fn apply(world: &mut World, document: WorldDocument) -> Result<SeedSummary, SeedError> {
    settings(world, &document.settings)?;
    for entry in document.issuers {
        world.trust_issuer(&entry.issuer, entry.keys).map_err(|source| SeedError::Issuer(entry.issuer, source))?;
    }
    let mut principals = Vec::new();
    let mut roles = Vec::new();
    for entry in document.principals {
        let object_id = entry.object_id.unwrap_or_else(|| world.uuid());
        let principal = Principal {
            object_id,
            client_id: entry.client_id.unwrap_or_else(|| world.uuid()),
            kind: entry.kind.unwrap_or(PrincipalKind::ServicePrincipal),
            display_name: entry.name,
        };
        if let Some(secret) = entry.secret {
            world.credentials_mut().add_secret(object_id, ClientSecret::new(secret));
        }
        principals.push(serde_json::json!(principal));
        roles.push((principal.clone(), entry.roles));
        world.add_principal(principal);
    }
    let resources = document.resources.len();
    for (index, entry) in document.resources.into_iter().enumerate() {
        let number = index + 1;
        let id = full_id(world, &entry.id).map_err(|source| SeedError::Id { number, source })?;
        put(world, &id, Value::Object(entry.body)).map_err(|error| SeedError::Refused {
            number,
            id,
            code: error.code().to_owned(),
            message: error.message().to_owned(),
        })?;
    }
    // A role may be given in a group that comes with the document.
    for (principal, entries) in roles {
        for entry in entries {
            let scope = entry.scope.as_deref().unwrap_or("/subscriptions/{subscription}");
            let refused = |message: String| SeedError::Role {
                principal: principal.display_name.clone(),
                role: entry.role.clone(),
                message,
            };
            let scope = full_id(world, scope).map_err(|error| refused(error.to_string()))?;
            grant(world, &principal, &entry.role, &scope).map_err(|error| refused(error.message().to_owned()))?;
        }
    }
    Ok(SeedSummary { principals, resources })
}

fn full_id(world: &World, written: &str) -> Result<ResourceId, InvalidResourceId> {
    let written = written
        .replace("{subscription}", &world.subscription().to_string())
        .replace("{tenant}", &world.tenant().to_string());
    let below = ["/resourcegroups/", "/providers/microsoft.authorization/"];
    if below.iter().any(|start| written.to_ascii_lowercase().starts_with(start)) {
        return ResourceId::parse(&format!("/subscriptions/{}{written}", world.subscription()));
    }
    ResourceId::parse(&written)
}

fn put(world: &mut World, id: &ResourceId, body: Value) -> Result<(), ArmError> {
    let kind = id.resource_type();
    if let Some(group) = id.group().filter(|group| group != id) {
        world.resources().require(&group)?;
    }
    let tracked = Registry::get().find(&kind).is_some_and(|registered| registered.tracked);
    if (tracked || id.is_type(GROUP)) && body["location"].as_str().is_none_or(str::is_empty) {
        return Err(ArmError::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    }
    internal_put(world, id, &kind, body)
}

fn settings(world: &mut World, entry: &SettingsEntry) -> Result<(), SeedError> {
    let duration = |text: &String| {
        let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
        parsed.ok_or_else(|| SeedError::Duration(text.clone()))
    };
    let durations =
        entry.durations.iter().map(|(name, text)| Ok((name, duration(text)?))).collect::<Result<Vec<_>, _>>()?;
    let poll_interval = entry.poll_interval.as_ref().map(duration).transpose()?;
    let role_propagation = entry.role_propagation.as_ref().map(duration).transpose()?;
    let settings = world.settings_mut();
    if let Some(on) = entry.throttling {
        settings.throttling = Throttling { enabled: on, ..settings.throttling.clone() };
    }
    settings.conflicts = entry.conflicts.unwrap_or(settings.conflicts);
    settings.enforce_roles = entry.enforce_roles.unwrap_or(settings.enforce_roles);
    settings.role_propagation = role_propagation.unwrap_or(settings.role_propagation);
    settings.page_size = entry.page_size.unwrap_or(settings.page_size);
    settings.poll_interval = poll_interval.unwrap_or(settings.poll_interval);
    for (name, duration) in durations {
        settings.set_duration(name, duration);
    }
    Ok(())
}

fn grant(world: &mut World, principal: &Principal, role: &str, scope: &ResourceId) -> Result<(), ArmError> {
    let role = authorization::role_named(world, role).ok_or_else(|| authorization::no_such_role(role))?;
    authorization::grant(world, principal.object_id, role, scope);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;

    fn applied(fake: &mut TestFake, text: &str) -> Result<SeedSummary, String> {
        apply(&mut fake.world, WorldDocument::parse(text).unwrap()).map_err(|error| crate::causes::with_causes(&error))
    }

    const WORLD: &str = "
settings:
  throttling: true
  pageSize: 3
  pollInterval: 2s
  durations: {Microsoft.Network/virtualNetworks/write: 5m}
principals:
  - name: one
    secret: s
    clientId: 11111111-2222-3333-4444-555555555555
    roles: [{role: Reader, scope: /resourceGroups/rg}]
resources:
  - id: /resourceGroups/rg
    location: eastus
  - id: /subscriptions/{subscription}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v
    location: East US
    properties:
      addressSpace: {addressPrefixes: [10.0.0.0/16]}
      subnets: [{name: a, properties: {addressPrefix: 10.0.1.0/24}}]
";

    #[test]
    fn a_written_world_is_as_its_providers_make_it() {
        let mut fake = TestFake::new();
        let found = applied(&mut fake, WORLD).unwrap();
        assert_eq!((found.resources, found.principals.len()), (2, 1));
        let settings = fake.world.settings();
        assert!(settings.throttling.enabled);
        assert_eq!((settings.page_size, settings.poll_interval), (3, Duration::from_secs(2)));
        let path = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/a?api-version=2022-01-01";
        assert_eq!(fake.get(path).expect(200)["properties"]["provisioningState"], "Succeeded");
        let client = "11111111-2222-3333-4444-555555555555".parse().unwrap();
        let principal = fake.world.principals().by_client(client).unwrap().object_id;
        assert_eq!(fake.world.credentials().secrets(principal).len(), 1);
        fake.caller = principal;
        assert_eq!(fake.get(path).status, 200, "as a reader of the group");
        assert_eq!(fake.delete(path).status, 403);
    }

    #[test]
    fn what_does_not_come_in_is_named() {
        let mut fake = TestFake::new();
        for (text, part) in [
            ("resources: [{id: /resourceGroups/rg}]", "number 1 ('/subscriptions/"),
            ("resources: [{id: bogus}]", "'bogus' is not a resource id"),
            (
                "resources: [{id: /resourceGroups/x/providers/Microsoft.Network/virtualNetworks/v, location: a}]",
                "ResourceGroupNotFound",
            ),
            ("settings: {pollInterval: soon}", "'soon' is no duration"),
            ("principals: [{name: x, roles: [{role: Nope}]}]", "'x' cannot be given the role 'Nope'"),
            ("issuers: [{issuer: https://x, keys: {}}]", "'https://x' cannot be read: it has no list 'keys'"),
            (
                "resources: [{id: /resourceGroups/a, location: b}, {id: /resourceGroups/a/providers/Microsoft.Bananas/b/c}]",
                "number 2",
            ),
        ] {
            let error = applied(&mut fake, text).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}
