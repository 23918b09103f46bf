//! Changes that come too early: the network provider works on one network at a time, and takes no reference to a
//! resource that is being changed. Both refusals tell the caller to come again.

use http::{Method, StatusCode};
use serde_json::Value;

use super::long_running;
use super::route::Target;
use crate::provider::Request;
use crate::world::World;
use arm::{ArmError, Operation, ResourceId};

const NETWORK: &str = "Microsoft.Network";

/// Nothing that this change touches is being changed.
///
/// # Errors
/// 409 `AnotherOperationInProgress` where something of the same network (load balancer, group of rules, …) is being
/// changed, 429 `RetryableError` where the body refers to something that is.
pub(super) fn check(world: &World, request: &Request, target: &Target) -> Result<(), ArmError> {
    let changes = matches!(request.method, Method::PUT | Method::PATCH | Method::DELETE);
    if !changes
        || !matches!(target, Target::Resource(_))
        || !world.settings().conflicts
        || !request.resource_type.namespace().eq_ignore_ascii_case(NETWORK)
    {
        return Ok(());
    }
    let mut under_way = world.operations_in_progress().peekable();
    if under_way.peek().is_none() {
        return Ok(());
    }
    let whole = outermost(&request.id);
    let mut references = None;
    for operation in under_way {
        let other = operation.resource.is_within(&whole) && operation.resource != request.id;
        // A deletion stops what is being done to the same resource; anything else waits for it.
        let same = operation.resource == request.id && request.method != Method::DELETE;
        if other || same {
            return Err(another_operation(world, request, operation));
        }
        let references = references.get_or_insert_with(|| references_of(&request.body));
        if let Some(used) = references.iter().find(|id| id.is_within(&operation.resource)) {
            return Err(not_provisioned(world, request, used));
        }
    }
    Ok(())
}

/// The virtual network of a subnet; the resource itself where it is in no other.
fn outermost(id: &ResourceId) -> ResourceId {
    let mut at = id.clone();
    while let Some(parent) = at.parent().filter(|p| p.namespace().eq_ignore_ascii_case(NETWORK)) {
        at = parent;
    }
    at
}

fn another_operation(world: &World, request: &Request, operation: &Operation) -> ArmError {
    let location = world.resources().get(&operation.resource).map(|r| r.location().to_owned()).unwrap_or_default();
    let url = long_running::operation_url(world, request, &location, operation.id, "operations");
    ArmError::conflict(
        "AnotherOperationInProgress",
        format!(
            "Another operation on this or dependent resource is in progress. To retrieve status of the operation use \
             uri: {url}."
        ),
    )
}

fn not_provisioned(world: &World, request: &Request, used: &ResourceId) -> ArmError {
    let state = world.resources().get(used).map_or("Updating", |r| match r.provisioning_state() {
        "" | "Succeeded" => "Updating",
        other => other,
    });
    ArmError::new(StatusCode::TOO_MANY_REQUESTS, "RetryableError", "A retryable error occurred.")
        .detail(
            "ReferencedResourceNotProvisioned",
            format!(
                "Cannot proceed with operation because resource {used} used by resource {} is not in Succeeded state. \
                 Resource is in {state} state and the last operation that updated/is updating the resource is {}.",
                request.id,
                operation_name(used)
            ),
        )
        .retry_after(world.settings().poll_interval)
}

/// `PutSubnetOperation` for a subnet.
fn operation_name(id: &ResourceId) -> String {
    let full = id.resource_type();
    let kind = full.rsplit('/').next().unwrap_or_default();
    let one = match kind.strip_suffix("sses") {
        Some(stem) => format!("{stem}ss"),
        None => kind.strip_suffix('s').unwrap_or(kind).to_owned(),
    };
    let mut letters = one.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase()).into_iter();
    format!("Put{}Operation", first.chain(letters).collect::<String>())
}

/// Every resource of the network provider that a body names by `id`, however deep.
fn references_of(body: &Value) -> Vec<ResourceId> {
    let mut found = Vec::new();
    let mut open = vec![body];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                let id = fields.get("id").and_then(Value::as_str).and_then(|id| ResourceId::parse(id).ok());
                found.extend(id.filter(|id| id.namespace().eq_ignore_ascii_case(NETWORK)));
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::gateway::TestFake;
    use serde_json::json;

    const NET: &str = "/resourceGroups/rg/providers/Microsoft.Network";
    const API: &str = "api-version=2024-05-01";

    fn fake() -> TestFake {
        let mut fake = TestFake::with_group();
        fake.world.settings_mut().conflicts = true;
        let network =
            json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
        fake.put(&format!("{NET}/virtualNetworks/v?{API}"), network).expect(201);
        fake.settle();
        fake
    }

    fn subnet(n: u8) -> Value {
        json!({"properties": {"addressPrefix": format!("10.0.{n}.0/24")}})
    }

    #[test]
    fn two_subnets_of_one_network_go_one_after_the_other() {
        let mut fake = fake();
        let path = |name: &str| format!("{NET}/virtualNetworks/v/subnets/{name}?{API}");
        fake.put(&path("a"), subnet(1)).expect(201);
        for refused in [fake.put(&path("b"), subnet(2)), fake.put(&path("a"), subnet(1))] {
            assert_eq!((refused.status, refused.code()), (409, "AnotherOperationInProgress"));
            assert!(refused.message().contains("/providers/Microsoft.Network/locations/"), "{}", refused.message());
        }
        assert_eq!(fake.get(&path("a")).status, 200, "reading goes on");
        fake.settle();
        fake.put(&path("b"), subnet(2)).expect(201);
        fake.delete(&path("b")).expect(202);
    }

    #[test]
    fn an_interface_waits_for_its_subnet() {
        let mut fake = fake();
        let long = Duration::from_secs(60);
        fake.world.settings_mut().set_duration("Microsoft.Network/virtualNetworks/subnets/write", long);
        let made = fake.put(&format!("{NET}/virtualNetworks/v/subnets/a?{API}"), subnet(1)).expect(201);
        let nic = json!({"location": "eastus", "properties": {"ipConfigurations": [{"name": "ip", "properties": {
            "subnet": {"id": made["id"]}}}]}});
        let path = format!("{NET}/networkInterfaces/n?{API}");
        let refused = fake.put(&path, nic.clone());
        assert_eq!((refused.status, refused.code()), (429, "RetryableError"));
        let detail = &refused.body["error"]["details"][0];
        assert_eq!(detail["code"], "ReferencedResourceNotProvisioned");
        let message = detail["message"].as_str().unwrap();
        assert!(message.ends_with("is updating the resource is PutSubnetOperation."), "{message}");
        fake.settle();
        fake.put(&path, nic).expect(201);
    }

    #[test]
    fn operations_are_named_for_their_type() {
        let name =
            |kind: &str| operation_name(&ResourceId::group_of("s", "g").resource(&format!("{NETWORK}/{kind}"), "x"));
        assert_eq!(name("virtualNetworks"), "PutVirtualNetworkOperation");
        assert_eq!(name("publicIPAddresses"), "PutPublicIPAddressOperation");
        assert_eq!(name("networkInterfaces"), "PutNetworkInterfaceOperation");
    }
}
