//! `POST /providers/Microsoft.ResourceGraph/resources`.

use serde_json::{Value, json};

use super::lexer::Refusal;
use super::{evaluation, parser};
use crate::arm::ArmError;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType};
use crate::providers::authorization::Rights;
use crate::world::{Resource, World};

const API_VERSIONS: &[&str] = &[
    "2018-09-01-preview",
    "2019-04-01",
    "2020-04-01-preview",
    "2021-03-01",
    "2021-06-01-preview",
    "2022-10-01",
    "2024-04-01",
];

struct ResourceGraph;

inventory::submit! {
    ResourceType::new("Microsoft.ResourceGraph/resources", API_VERSIONS, &ResourceGraph).computed()
}

impl Handler for ResourceGraph {
    fn operation(&self, _: &Request) -> Option<String> {
        Some("Microsoft.ResourceGraph/resources/read".to_owned())
    }

    fn post(&self, world: &mut World, request: &Request) -> Reply {
        let text = request.body["query"].as_str().filter(|q| !q.trim().is_empty());
        let text = text.ok_or_else(|| bad_request("EmptyQuery", "The query is missing or empty."))?;
        let options = &request.body["options"];
        if options["resultFormat"].as_str().is_some_and(|f| f != "objectArray") {
            let message = "fake-arm answers in resultFormat 'objectArray' only.";
            return Err(bad_request("NotModelled", message).unknown_route());
        }
        let query = parser::parse(text).map_err(|refusal| invalid_query(text, &refusal))?;

        let ours = world.subscription().to_string();
        let asked = request.body["subscriptions"].as_array();
        let included = asked.is_none_or(|list| {
            list.is_empty() || list.iter().any(|s| s.as_str().is_some_and(|s| s.eq_ignore_ascii_case(&ours)))
        });
        let rights = Rights::of(world, request.caller);
        let rows = if included { rows(world, &rights) } else { Vec::new() };
        let found = evaluation::run(&query, rows);

        let total = found.len();
        let page = world.settings().graph_page_size.max(1);
        let size = options["$top"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(page).min(page);
        let token = options["$skipToken"].as_str().unwrap_or_default();
        let skip: usize = if token.is_empty() {
            options["$skip"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
        } else {
            token.parse().map_err(|_| bad_request("InvalidSkipToken", "The skip token is invalid."))?
        };
        let data: Vec<Value> = found.into_iter().skip(skip).take(size).collect();
        let mut body = json!({
            "totalRecords": total,
            "count": data.len(),
            "resultTruncated": "false",
            "facets": [],
        });
        let next = skip + data.len();
        body["data"] = Value::Array(data);
        if next < total {
            body["$skipToken"] = json!(next.to_string());
        }
        Ok(Answer::json(body))
    }
}

/// Every tracked resource that the caller may read, as a row of the table `Resources`.
fn rows(world: &World, rights: &Rights) -> Vec<Value> {
    let registry = Registry::get();
    let tracked = |r: &&Resource| registry.find(&r.resource_type).is_some_and(|t| t.tracked);
    let readable = |r: &&Resource| rights.may_read(&r.id);
    world.resources().iter().filter(tracked).filter(readable).map(|r| row(world, registry, r)).collect()
}

fn row(world: &World, registry: &Registry, resource: &Resource) -> Value {
    let shown =
        registry.find(&resource.resource_type).map_or_else(|| resource.json(), |t| t.handler.show(world, resource));
    let field = |name: &str| shown.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": resource.id,
        "name": resource.name(),
        "type": resource.resource_type.to_ascii_lowercase(),
        "tenantId": world.tenant(),
        "kind": shown["kind"].as_str().unwrap_or_default(),
        "location": resource.location(),
        "resourceGroup": resource.id.resource_group().unwrap_or_default().to_lowercase(),
        "subscriptionId": world.subscription(),
        "managedBy": shown["managedBy"].as_str().unwrap_or_default(),
        "sku": field("sku"),
        "plan": field("plan"),
        "properties": field("properties"),
        "tags": field("tags"),
        "identity": field("identity"),
        "zones": field("zones"),
        "extendedLocation": field("extendedLocation"),
    })
}

/// Resource Graph hides what is wrong one level down.
fn bad_request(code: &str, message: &str) -> ArmError {
    ArmError::bad_request("BadRequest", "Please provide below info when asking for support.").detail(code, message)
}

fn invalid_query(text: &str, refusal: &Refusal) -> ArmError {
    let before: String = text.chars().take(refusal.at).collect();
    let line = before.matches('\n').count() + 1;
    let position = before.chars().rev().take_while(|c| *c != '\n').count();
    let error = bad_request(
        "InvalidQuery",
        "Query is invalid. Please refer to the documentation for the Azure Resource Graph service and fix the error \
         before retrying.",
    )
    .detail(
        "ParserFailure",
        format!(
            "ParserFailure at line {line}, position {position}, token '{}': {}.",
            refusal.token,
            if refusal.not_modelled {
                format!("not modelled by fake-arm; {}", refusal.reason)
            } else {
                refusal.reason.clone()
            }
        ),
    );
    if refusal.not_modelled { error.unknown_route() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::bench::Bench;

    const PATH: &str = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-06-01-preview";
    const NICS: &str = "Resources | where type == \"microsoft.network/networkinterfaces\" | where resourceGroup == \"rg\" | where tags has_cs \"karpenter.sh_nodepool\" | where not(tags has_cs \"karpenter.azure.com_aksmachine_nodeclaim\")";

    fn ask(bench: &mut Bench, query: &str, options: Value) -> crate::server::bench::Reply {
        let mut body =
            json!({"options": {"resultFormat": "objectArray"}, "query": query, "subscriptions": [Bench::SUBSCRIPTION]});
        for (key, value) in options.as_object().unwrap() {
            body["options"][key] = value.clone();
        }
        bench.post(PATH, body)
    }

    fn with_interfaces(count: usize) -> Bench {
        let mut bench = Bench::new();
        bench.put("/resourceGroups/RG?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
        let network = "/resourceGroups/RG/providers/Microsoft.Network";
        let api = "api-version=2022-01-01";
        let vnet = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}]}});
        bench.put(&format!("{network}/virtualNetworks/v?{api}"), vnet).expect(201);
        let subnet = format!("/subscriptions/{}{network}/virtualNetworks/v/subnets/a", Bench::SUBSCRIPTION);
        for n in 0..count {
            let nic = json!({"location": "eastus", "tags": {"karpenter.sh_nodepool": "default"}, "properties": {"ipConfigurations": [
                {"name": "ip", "properties": {"subnet": {"id": subnet}}}]}});
            bench.put(&format!("{network}/networkInterfaces/aks-{n}?{api}"), nic).expect(201);
        }
        bench
    }

    #[test]
    fn the_provisioners_query_finds_its_interfaces_only() {
        let mut bench = with_interfaces(1);
        let found = ask(&mut bench, NICS, json!({})).expect(200);
        assert_eq!(
            (&found["count"], &found["totalRecords"], &found["resultTruncated"]),
            (&json!(1), &json!(1), &json!("false"))
        );
        let row = &found["data"][0];
        assert_eq!(row["name"], "aks-0");
        assert_eq!(
            (&row["type"], &row["resourceGroup"]),
            (&json!("microsoft.network/networkinterfaces"), &json!("rg"))
        );
        assert!(
            row["id"].as_str().unwrap().contains("/resourceGroups/RG/providers/Microsoft.Network/networkInterfaces/")
        );
        assert_eq!(row["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.0.1.4");
        let machines = NICS.replace("microsoft.network/networkinterfaces", "microsoft.compute/virtualmachines");
        assert_eq!(ask(&mut bench, &machines, json!({})).expect(200)["data"], json!([]));
        let elsewhere = json!({"query": NICS, "subscriptions": ["99999999-1111-1111-1111-111111111111"]});
        assert_eq!(bench.post(PATH, elsewhere).expect(200)["totalRecords"], 0);
    }

    #[test]
    fn pages_follow_the_skip_token() {
        let mut bench = with_interfaces(5);
        bench.world.settings_mut().graph_page_size = 2;
        let mut token = json!({});
        let mut names = Vec::new();
        loop {
            let page = ask(&mut bench, NICS, token).expect(200);
            assert_eq!(page["totalRecords"], 5);
            names.extend(page["data"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()));
            match page["$skipToken"].as_str() {
                Some(next) => token = json!({"$skipToken": next}),
                None => break,
            }
        }
        assert_eq!(names, ["aks-0", "aks-1", "aks-2", "aks-3", "aks-4"]);
    }

    #[test]
    fn what_it_does_not_know_it_refuses() {
        let mut bench = with_interfaces(0);
        let reply = ask(&mut bench, "Resources\n| summarize count() by type", json!({}));
        assert_eq!((reply.status, reply.code()), (400, "BadRequest"));
        assert_eq!(reply.body["error"]["details"][0]["code"], "InvalidQuery");
        let detail = reply.body["error"]["details"][1]["message"].as_str().unwrap();
        assert!(detail.starts_with("ParserFailure at line 2, position 2, token 'summarize': not modelled"), "{detail}");
        assert_eq!(bench.post(PATH, json!({})).status, 400);
    }
}
