//! What a principal did, in the language of roles: the smallest custom role that would have let it.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::events::LedgerEntry;
use crate::provider::{Registry, identity_link};

/// One action in one scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsedRight {
    /// `Microsoft.Network/virtualNetworks/subnets/join/action`
    pub action: String,
    /// Id of the resource; of a list, the scope that it was asked for in.
    pub scope: String,
}

/// The rights that a principal used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Each of them once, by action and scope.
    pub rights: BTreeSet<UsedRight>,
}

/// What has to be known of a request to say which rights it took, wherever it was written down.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// Object id of the principal whose token came with it.
    pub principal: Option<Uuid>,
    /// HTTP method.
    pub method: &'a str,
    /// `Microsoft.Network/networkInterfaces/write`; empty where the route is unknown.
    pub operation: &'a str,
    /// Full id of the resource that it concerns; empty for token requests and the like.
    pub resource_id: &'a str,
    /// HTTP status of the answer.
    pub status: u16,
    /// Its JSON body.
    pub body: Option<&'a Value>,
    /// Nothing serves this route.
    pub unknown_route: bool,
}

impl<'a> From<&'a LedgerEntry> for RequestFacts<'a> {
    fn from(entry: &'a LedgerEntry) -> Self {
        Self {
            principal: entry.principal,
            method: &entry.method,
            operation: &entry.operation,
            resource_id: &entry.resource_id,
            status: entry.status,
            body: entry.request_body.as_ref(),
            unknown_route: entry.unknown_route,
        }
    }
}

impl Footprint {
    /// The rights that the requests of a principal took: the action of each request that was not refused for want of
    /// them, and the actions on what its body linked to. Token requests and looks at operations take none.
    pub fn of<'a>(requests: impl IntoIterator<Item: Into<RequestFacts<'a>>>, principal: Uuid) -> Self {
        let mut rights = BTreeSet::new();
        for entry in requests {
            let entry: RequestFacts<'a> = entry.into();
            let passed = !matches!(entry.status, 401 | 403 | 429) && !entry.unknown_route;
            if entry.principal != Some(principal) || !passed || entry.resource_id.is_empty() {
                continue;
            }
            rights.insert(UsedRight { action: entry.operation.to_owned(), scope: entry.resource_id.to_owned() });
            if [Method::PUT, Method::PATCH].iter().any(|method| *method == entry.method) {
                rights.extend(linked(&entry));
            }
        }
        Self { rights }
    }

    /// The actions, each once.
    pub fn actions(&self) -> BTreeSet<&str> {
        self.rights.iter().map(|right| right.action.as_str()).collect()
    }

    /// The scopes in which an action was used.
    pub fn scopes_of(&self, action: &str) -> BTreeSet<&str> {
        let used = self.rights.iter().filter(|right| right.action.eq_ignore_ascii_case(action));
        used.map(|right| right.scope.as_str()).collect()
    }

    /// A custom role with exactly these actions, as `az role definition create --role-definition` reads it.
    pub fn role_definition(&self, name: &str, description: &str, assignable_scopes: &[String]) -> Value {
        json!({
            "Name": name,
            "IsCustom": true,
            "Description": description,
            "Actions": self.actions(),
            "NotActions": [],
            "DataActions": [],
            "NotDataActions": [],
            "AssignableScopes": assignable_scopes,
        })
    }
}

fn linked(entry: &RequestFacts<'_>) -> Vec<UsedRight> {
    let Some(body) = entry.body else { return Vec::new() };
    let resource_type = entry.operation.rsplit_once('/').and_then(|(name, _)| Registry::get().find(name));
    let links = resource_type.map_or(&[][..], |found| found.handler.links());
    let links = links.iter().chain(std::iter::once(identity_link()));
    let named = links.flat_map(|link| link.named(body).into_iter().map(|scope| (link.action, scope)));
    named.map(|(action, scope)| UsedRight { action: action.to_owned(), scope: scope.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entry(method: &str, operation: &str, resource_id: &str, status: u16, body: Option<Value>) -> LedgerEntry {
        LedgerEntry {
            sequence: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            latency: Duration::ZERO,
            method: method.to_owned(),
            path: resource_id.to_owned(),
            query: String::new(),
            operation: operation.to_owned(),
            resource_id: resource_id.to_owned(),
            principal: Some(Uuid::from_u128(1)),
            user_agent: String::new(),
            status,
            error_code: None,
            error_message: None,
            request_body: body,
            request_id: Uuid::nil(),
            unknown_route: false,
        }
    }

    #[test]
    fn the_footprint_is_what_was_let_through_and_what_it_linked_to() {
        let nic = json!({"properties": {
            "networkSecurityGroup": {"id": "/nsg"},
            "ipConfigurations": [{"properties": {"subnet": {"id": "/subnet"}}}],
        }});
        let vm = json!({
            "identity": {"userAssignedIdentities": {"/identity": {}}},
            "properties": {"networkProfile": {"networkInterfaces": [{"id": "/nic"}]}},
        });
        let mut foreign = entry("GET", "Microsoft.Network/virtualNetworks/read", "/vnet", 200, None);
        foreign.principal = Some(Uuid::from_u128(2));
        let entries = [
            entry("PUT", "Microsoft.Network/networkInterfaces/write", "/nic", 201, Some(nic.clone())),
            entry("PUT", "Microsoft.Network/networkInterfaces/write", "/nic", 200, Some(nic)),
            entry("PUT", "Microsoft.Compute/virtualMachines/write", "/vm", 201, Some(vm)),
            entry("GET", "Microsoft.Network/virtualNetworks/subnets/read", "/gone", 404, None),
            entry("DELETE", "Microsoft.Network/virtualNetworks/subnets/delete", "/subnet", 403, None),
            entry("GET", "Microsoft.Compute/locations/operations/read", "", 200, None),
            foreign,
        ];
        let footprint = Footprint::of(&entries, Uuid::from_u128(1));
        let used: Vec<_> = footprint.rights.iter().map(|r| (r.action.as_str(), r.scope.as_str())).collect();
        assert_eq!(
            used,
            [
                ("Microsoft.Compute/virtualMachines/write", "/vm"),
                ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "/identity"),
                ("Microsoft.Network/networkInterfaces/join/action", "/nic"),
                ("Microsoft.Network/networkInterfaces/write", "/nic"),
                ("Microsoft.Network/networkSecurityGroups/join/action", "/nsg"),
                ("Microsoft.Network/virtualNetworks/subnets/join/action", "/subnet"),
                ("Microsoft.Network/virtualNetworks/subnets/read", "/gone"),
            ]
        );
        assert_eq!(footprint.scopes_of("microsoft.compute/virtualMachines/write"), BTreeSet::from(["/vm"]));
        let role = footprint.role_definition("Provisioner", "What it used", &["/subscriptions/s".to_owned()]);
        assert_eq!(role["Actions"].as_array().unwrap().len(), 7);
        assert_eq!(role["AssignableScopes"], json!(["/subscriptions/s"]));
        assert_eq!(Footprint::of(&entries, Uuid::from_u128(3)), Footprint::default());
    }
}
