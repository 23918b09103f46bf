//! The instance metadata service of a machine (IMDS): `/metadata/identity/oauth2/token` and `/metadata/instance`, over
//! plain HTTP. On a machine the service knows who asks by his address; here a first path segment says it (`/{who}/…`:
//! the secret of an identity, or a machine's name or id), and without one a parameter or the owner's choice does.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::directory::{Principal, PrincipalKind};
use crate::world::{Resource, World};

/// What the endpoint answers.
#[derive(Debug)]
pub(crate) struct MetadataAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The body is a text, and sent as one.
    pub(crate) plain: bool,
    /// Whose token it is, where it is one.
    pub(crate) principal: Option<Uuid>,
}

impl MetadataAnswer {
    fn json(body: Value) -> Self {
        Self { status: StatusCode::OK, body, plain: false, principal: None }
    }

    fn refused(status: StatusCode, error: &str, description: &str) -> Self {
        let body = json!({ "error": error, "error_description": description });
        Self { status, body, plain: false, principal: None }
    }

    fn invalid(description: &str) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "invalid_request", description)
    }
}

/// Api-versions of `/metadata/instance`, oldest first.
const INSTANCE_VERSIONS: &[&str] = &[
    "2017-04-02",
    "2017-08-01",
    "2017-12-01",
    "2018-02-01",
    "2018-04-02",
    "2018-10-01",
    "2019-02-01",
    "2019-03-11",
    "2019-04-30",
    "2019-06-01",
    "2019-06-04",
    "2019-08-01",
    "2019-08-15",
    "2019-11-01",
    "2020-06-01",
    "2020-07-15",
    "2020-09-01",
    "2020-10-01",
    "2020-12-01",
    "2021-01-01",
    "2021-02-01",
    "2021-03-01",
    "2021-05-01",
    "2021-10-01",
    "2021-11-01",
    "2021-11-15",
    "2021-12-13",
    "2023-07-01",
    "2023-11-15",
];

/// `GET /metadata/identity/oauth2/token`. `marked`: with the header `Metadata: true`.
pub(crate) fn machine_token(
    world: &World,
    who: Option<&str>,
    marked: bool,
    query: &BTreeMap<String, String>,
) -> MetadataAnswer {
    if !marked {
        return MetadataAnswer::invalid("Required metadata header not specified");
    }
    if query.get("api-version").is_none_or(String::is_empty) {
        return MetadataAnswer::invalid("Required query variable 'api-version' is missing");
    }
    let Some(resource) = query.get("resource").filter(|resource| !resource.is_empty()) else {
        return MetadataAnswer::invalid("Required query variable 'resource' is missing");
    };
    let Some(principal) = identity(world, who, query) else {
        return MetadataAnswer::invalid("Identity not found");
    };
    let claims = world.issuer().claims(principal, resource, world.now(), world.settings().token_lifetime);
    let lifetime = (claims.exp - claims.iat).to_string();
    MetadataAnswer {
        principal: Some(principal.object_id),
        ..MetadataAnswer::json(json!({
            "access_token": world.issuer().sign(&claims),
            "client_id": claims.appid,
            "expires_in": lifetime,
            "expires_on": claims.exp.to_string(),
            "ext_expires_in": lifetime,
            "not_before": claims.nbf.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        }))
    }
}

fn identity<'a>(world: &'a World, who: Option<&str>, query: &BTreeMap<String, String>) -> Option<&'a Principal> {
    let get = |names: &[&str]| names.iter().find_map(|name| query.get(*name)).filter(|value| !value.is_empty());
    let named = if let Some(client) = get(&["client_id"]) {
        Some(world.principals().by_client(Uuid::parse_str(client).ok()?)?)
    } else if let Some(object) = get(&["object_id", "principal_id"]) {
        Some(world.principals().get(Uuid::parse_str(object).ok()?)?)
    } else if let Some(id) = get(&["msi_res_id", "mi_res_id"]) {
        let resource = world.resources().get(&id.parse().ok()?)?;
        let object = Uuid::parse_str(resource.properties()["principalId"].as_str()?).ok()?;
        Some(world.principals().get(object)?)
    } else {
        None
    };
    // A secret is the right to one identity's tokens, and to no other's.
    if let Some(owner) = who.and_then(|who| world.principal_of_secret(who)) {
        let owner = world.principals().get(owner)?;
        return named.is_none_or(|named| named.object_id == owner.object_id).then_some(owner);
    }
    let chosen = world.metadata_principal();
    match named {
        Some(named) => {
            let served = named.kind == PrincipalKind::ManagedIdentity || chosen == Some(named.object_id);
            served.then_some(named)
        }
        None => world.principals().get(chosen?),
    }
}

/// `GET /metadata/instance/…`: `path` is what follows.
pub(crate) fn instance(
    world: &World,
    who: Option<&str>,
    marked: bool,
    path: &str,
    query: &BTreeMap<String, String>,
) -> MetadataAnswer {
    let bad = |error: &str| MetadataAnswer {
        status: StatusCode::BAD_REQUEST,
        ..MetadataAnswer::json(json!({ "error": error, "newest-versions": newest() }))
    };
    if !marked {
        return bad("Bad request. Required metadata header not specified");
    }
    match query.get("api-version") {
        None => {
            return bad(
                "Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds",
            );
        }
        Some(version) if !INSTANCE_VERSIONS.contains(&version.as_str()) => {
            return bad("Bad request. api-version is invalid or was not specified in the request.");
        }
        Some(_) => {}
    }
    let missing =
        || MetadataAnswer { status: StatusCode::NOT_FOUND, ..MetadataAnswer::json(json!({"error": "Not found"})) };
    let Some(machine) = machine(world, who) else { return missing() };
    let document = json!({ "compute": compute(world, machine), "network": network(world, machine) });
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let found = segments.into_iter().try_fold(&document, |at, segment| match at {
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        other => other.get(segment),
    });
    match found {
        None => missing(),
        Some(Value::String(text)) => {
            MetadataAnswer { plain: true, ..MetadataAnswer::json(Value::String(text.clone())) }
        }
        Some(other) => MetadataAnswer::json(other.clone()),
    }
}

fn newest() -> Vec<&'static str> {
    INSTANCE_VERSIONS.iter().rev().take(3).copied().collect()
}

/// The machine with this name or `vmId`; without either, the only machine that there is.
fn machine<'a>(world: &'a World, who: Option<&str>) -> Option<&'a Resource> {
    let mut machines = world.resources().of_type("Microsoft.Compute/virtualMachines");
    match who {
        Some(who) => machines.find(|m| {
            m.name().eq_ignore_ascii_case(who)
                || m.properties()["vmId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(who))
        }),
        None => machines.next().filter(|_| machines.next().is_none()),
    }
}

fn compute(world: &World, machine: &Resource) -> Value {
    let properties = machine.properties();
    let text = |pointer: &str| properties.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let no_tags = Map::new();
    let tags = machine.body["tags"].as_object().unwrap_or(&no_tags);
    let pairs = || tags.iter().map(|(name, value)| (name, value.as_str().unwrap_or_default()));
    json!({
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "evictionPolicy": text("/evictionPolicy"),
        "isHostCompatibilityLayerVm": "false",
        "licenseType": text("/licenseType"),
        "location": machine.location(),
        "name": machine.name(),
        "offer": text("/storageProfile/imageReference/offer"),
        "osProfile": {
            "adminUsername": text("/osProfile/adminUsername"),
            "computerName": text("/osProfile/computerName"),
            "disablePasswordAuthentication": "true",
        },
        "osType": match text("/storageProfile/osDisk/osType") { "" => "Linux", other => other },
        "placementGroupId": "",
        "platformFaultDomain": "0",
        "platformUpdateDomain": "0",
        "priority": text("/priority"),
        "provider": "Microsoft.Compute",
        "publisher": text("/storageProfile/imageReference/publisher"),
        "resourceGroupName": machine.id.resource_group().unwrap_or_default(),
        "resourceId": machine.id,
        "sku": text("/storageProfile/imageReference/sku"),
        "subscriptionId": world.subscription(),
        "tags": pairs().map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>().join(";"),
        "tagsList": pairs().map(|(name, value)| json!({ "name": name, "value": value })).collect::<Vec<_>>(),
        "userData": text("/userData"),
        "version": text("/storageProfile/imageReference/version"),
        "vmId": text("/vmId"),
        "vmScaleSetName": "",
        "vmSize": text("/hardwareProfile/vmSize"),
        "zone": machine.body["zones"][0].as_str().unwrap_or_default(),
    })
}

fn network(world: &World, machine: &Resource) -> Value {
    let interfaces = machine.properties()["networkProfile"]["networkInterfaces"].as_array();
    let found = interfaces.into_iter().flatten().filter_map(|interface| {
        let id = interface["id"].as_str()?.parse().ok()?;
        world.resources().get(&id)
    });
    let shown = found.map(|interface| {
        let configurations = interface.properties()["ipConfigurations"].as_array();
        let addresses: Vec<Value> = configurations
            .into_iter()
            .flatten()
            .map(|one| json!({ "privateIpAddress": one["properties"]["privateIPAddress"], "publicIpAddress": "" }))
            .collect();
        let subnets: Vec<Value> = configurations
            .into_iter()
            .flatten()
            .filter_map(|one| {
                let id = one["properties"]["subnet"]["id"].as_str()?.parse().ok()?;
                let subnet = world.resources().get(&id)?.properties();
                let prefix = subnet["addressPrefix"].as_str().or_else(|| subnet["addressPrefixes"][0].as_str())?;
                let (address, length) = prefix.split_once('/')?;
                Some(json!({ "address": address, "prefix": length }))
            })
            .collect();
        let mac: String =
            interface.properties()["macAddress"].as_str().unwrap_or_default().chars().filter(|c| *c != '-').collect();
        json!({
            "ipv4": { "ipAddress": addresses, "subnet": subnets },
            "ipv6": { "ipAddress": [] },
            "macAddress": mac,
        })
    });
    json!({ "interface": shown.collect::<Vec<_>>() })
}
