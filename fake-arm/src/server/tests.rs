//! The core with a provider of its own: what becomes of operations that fail, take a task, panic.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::bench::Bench;
use crate::arm::ArmError;
use crate::provider::{Answer, Handler, Outcome, Reply, Request, ResourceType};
use crate::world::World;

/// A resource whose PUT goes as its `properties.way` says.
struct Widgets;

inventory::submit! {
    ResourceType::new("Microsoft.Test/widgets", &["2024-01-01", "2023-01-01-preview"], &Widgets).tracked()
}

fn broken() -> ArmError {
    ArmError::conflict("WidgetBroken", "It broke.")
}

impl Handler for Widgets {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let way = request.properties()["way"].as_str().unwrap_or_default().to_owned();
        let mut body = request.resource_body();
        body["properties"]["provisioningState"] = json!("Creating");
        let new = world.upsert(&request.id, "Microsoft.Test/widgets", body);
        let answer = Answer::put(new, &request.id);
        let second = Duration::from_secs(1);
        Ok(match way.as_str() {
            "fails at once" => answer.after(Duration::ZERO, |_| Err(broken())),
            "fails" => answer.after(second, |_| Err(broken())),
            "panics" => answer.after(second, |_| panic!("as the test wants")),
            "task" => answer.when(async { Box::new(|_: &mut World| Ok(())) as Outcome }),
            "task fails" => answer.when(async { Box::new(|_: &mut World| Err(broken())) as Outcome }),
            "task panics" => answer.when(async { panic!("as the test wants") }),
            _ => answer.after(second, |_| Ok(())),
        })
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        let found = world.resources().require(&request.id).map(|_| Answer::json(json!({ "did": action })));
        (action == "polish").then_some(found)
    }
}

const PATH: &str = "/resourceGroups/rg/providers/Microsoft.Test/widgets/w?api-version=2024-01-01";

fn widget(way: &str) -> Value {
    json!({"location": "eastus", "properties": {"way": way}})
}

fn status_path(headers: &[(String, String)]) -> String {
    let (_, url) = headers.iter().find(|(name, _)| name == "Azure-AsyncOperation").unwrap();
    url.trim_start_matches("https://127.0.0.1:1").to_owned()
}

#[test]
fn operations_end_as_their_last_step_does() {
    for (way, status, code, state) in [
        ("works", "Succeeded", None, "Succeeded"),
        ("task", "Succeeded", None, "Succeeded"),
        ("fails", "Failed", Some("WidgetBroken"), "Failed"),
        ("task fails", "Failed", Some("WidgetBroken"), "Failed"),
        ("panics", "Failed", Some("InternalOperationError"), "Failed"),
        ("task panics", "Failed", Some("InternalOperationError"), "Failed"),
    ] {
        let mut bench = Bench::with_group();
        let made = bench.put(PATH, widget(way));
        assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")), "{way}");
        let poll = status_path(&made.headers);
        assert_eq!(bench.get(&poll).expect(200)["status"], "InProgress", "{way}");
        bench.settle();
        let ended = bench.get(&poll).expect(200);
        assert_eq!(ended["status"], status, "{way}");
        assert_eq!(ended["error"]["code"].as_str(), code, "{way}");
        assert_eq!(bench.get(PATH).expect(200)["properties"]["provisioningState"], state, "{way}");
        let result = bench.get(&poll.replace("/operations/", "/operationResults/"));
        assert_eq!(result.status, if code.is_none() { 200 } else { result.status }, "{way}");
        assert_eq!(result.body["error"]["code"].as_str(), code, "{way}");
    }
}

#[test]
fn an_operation_without_duration_fails_as_its_request() {
    let mut bench = Bench::with_group();
    let refused = bench.put(PATH, widget("fails at once"));
    assert_eq!((refused.status, refused.code()), (409, "WidgetBroken"));
    assert_eq!(bench.get(PATH).expect(200)["properties"]["provisioningState"], "Failed");
    bench.put(PATH, widget("works")).expect(200);
}

#[test]
fn etags_guard_changes() {
    let mut bench = Bench::with_group();
    let with = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    let any = with("if-match", "*");
    assert_eq!(bench.call_with(Method::PUT, PATH, widget("works"), any.clone()).status, 412);
    bench.call_with(Method::PUT, PATH, widget("works"), with("if-none-match", "*")).expect(201);
    bench.settle();
    let made = bench.get(PATH).expect(200);
    let etag = made["etag"].as_str().unwrap().to_owned();
    assert_eq!(
        bench.call_with(Method::PUT, PATH, widget("works"), with("if-none-match", "*")).code(),
        "PreconditionFailed"
    );
    bench.call_with(Method::PUT, PATH, widget("works"), with("if-match", &etag)).expect(200);
    assert_eq!(bench.call_with(Method::DELETE, PATH, Value::Null, with("if-match", &etag)).status, 412, "it changed");
    bench.call_with(Method::DELETE, PATH, Value::Null, any).expect(200);
}

#[test]
fn locations_actions_and_methods() {
    let mut bench = Bench::with_group();
    bench.put(PATH, widget("works")).expect(201);
    let mut moved = widget("works");
    moved["location"] = json!("West US 3");
    let refused = bench.put(PATH, moved);
    assert_eq!((refused.status, refused.code()), (409, "InvalidResourceLocation"));
    let mut same = widget("works");
    same["location"] = json!("East US");
    assert_eq!(bench.put(PATH, same).expect(200)["location"], "eastus");

    let action = |name: &str| PATH.replace("/w?", &format!("/w/{name}?"));
    assert_eq!(bench.post(&action("polish"), Value::Null).expect(200), json!({"did": "polish"}));
    assert_eq!(bench.post(&action("burn"), Value::Null).status, 404);
    let on_collection = PATH.replace("/w?", "?");
    assert_eq!(bench.call(Method::DELETE, &on_collection, Value::Null).status, 405);
    assert_eq!(bench.get(&PATH.replace("2024-01-01", "2023-01-01-PREVIEW")).status, 200);
    assert_eq!(bench.call(Method::HEAD, PATH, Value::Null).status, 204);
    assert_eq!(bench.get(&PATH.replace("/rg/", "/nope/")).code(), "ResourceGroupNotFound");
    assert_eq!(bench.get("/subscriptions/zzz/resourceGroups?api-version=2021-04-01").code(), "InvalidSubscriptionId");
}
