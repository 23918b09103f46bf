//! Service endpoints of subnets: the services that a subnet reaches by Azure's own network.

use serde_json::{Value, json};

use super::reference::list;
use arm::{ArmError, ResourceId};

/// The services that there are.
const SERVICES: [&str; 12] = [
    "Microsoft.Storage",
    "Microsoft.Storage.Global",
    "Microsoft.Sql",
    "Microsoft.AzureCosmosDB",
    "Microsoft.KeyVault",
    "Microsoft.ServiceBus",
    "Microsoft.EventHub",
    "Microsoft.AzureActiveDirectory",
    "Microsoft.Web",
    "Microsoft.CognitiveServices",
    "Microsoft.ContainerRegistry",
    "Microsoft.Search",
];

/// Checks the endpoints of a subnet's `properties` and fills in their locations and states.
pub(super) fn with_defaults(subnet: &ResourceId, properties: &Value, location: &str) -> Result<Value, ArmError> {
    let mut out: Vec<Value> = Vec::new();
    for endpoint in list(&properties["serviceEndpoints"]) {
        let name = endpoint["service"].as_str().unwrap_or_default();
        let Some(service) = SERVICES.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            return Err(ArmError::bad_request(
                "ServiceEndpointServiceNotSupported",
                format!(
                    "Service endpoint '{name}' of subnet {subnet} is not supported. Supported services are: {}.",
                    SERVICES.join(", ")
                ),
            ));
        };
        if out.iter().any(|other| other["service"] == *service) {
            return Err(ArmError::bad_request(
                "SubnetHasDuplicateServiceEndpoints",
                format!("Subnet {subnet} has service endpoint '{service}' more than once."),
            ));
        }
        let mut shown = endpoint.clone();
        shown["service"] = json!(service);
        shown["provisioningState"] = json!("Succeeded");
        if list(&shown["locations"]).is_empty() {
            // Storage and SQL are reached in their own regions, all others everywhere.
            let own = matches!(*service, "Microsoft.Storage" | "Microsoft.Sql");
            shown["locations"] = json!([if own { location } else { "*" }]);
        }
        out.push(shown);
    }
    Ok(Value::Array(out))
}
