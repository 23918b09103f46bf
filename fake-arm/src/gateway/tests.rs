//! The core with a provider of its own: what becomes of operations that fail, take a task, panic.

use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::test_support::TestFake;
use crate::provider::{Answer, Handler, Outcome, Polling, Reply, Request, ResourceType};
use crate::world::World;
use arm::ArmError;

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
        let mut answer = Answer::put(new, &request.id);
        let second = Duration::from_secs(1);
        Ok(match way.as_str() {
            "fails at once" => answer.after(Duration::ZERO, |_| Err(broken())),
            "fails" => answer.after(second, |_| Err(broken())),
            "panics" => answer.after(second, |_| panic!("as the test wants")),
            "task" => answer.when(async { Box::new(|_: &mut World| Ok(())) as Outcome }),
            "task fails" => answer.when(async { Box::new(|_: &mut World| Err(broken())) as Outcome }),
            "by location" => {
                answer.status = http::StatusCode::ACCEPTED;
                answer.after(second, |_| Ok(())).polled_by(Polling::Location)
            }
            "by state" => answer.after(second, |_| Ok(())).polled_by(Polling::ProvisioningState),
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
        let mut fake = TestFake::with_group();
        let made = fake.put(PATH, widget(way));
        assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Creating")), "{way}");
        let poll = status_path(&made.headers);
        assert_eq!(fake.get(&poll).expect(200)["status"], "InProgress", "{way}");
        fake.settle();
        let ended = fake.get(&poll).expect(200);
        assert_eq!(ended["status"], status, "{way}");
        assert_eq!(ended["error"]["code"].as_str(), code, "{way}");
        assert_eq!(fake.get(PATH).expect(200)["properties"]["provisioningState"], state, "{way}");
        let result = fake.get(&poll.replace("/operations/", "/operationResults/"));
        assert_eq!(result.status, if code.is_none() { 200 } else { result.status }, "{way}");
        assert_eq!(result.body["error"]["code"].as_str(), code, "{way}");
    }
}

#[test]
fn an_operation_without_duration_fails_as_its_request() {
    let mut fake = TestFake::with_group();
    let refused = fake.put(PATH, widget("fails at once"));
    assert_eq!((refused.status, refused.code()), (409, "WidgetBroken"));
    assert_eq!(fake.get(PATH).expect(200)["properties"]["provisioningState"], "Failed");
    fake.put(PATH, widget("works")).expect(200);
}

#[test]
fn etags_guard_changes() {
    let mut fake = TestFake::with_group();
    let with = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    let any = with("if-match", "*");
    assert_eq!(fake.call_with(Method::PUT, PATH, widget("works"), any.clone()).status, 412);
    fake.call_with(Method::PUT, PATH, widget("works"), with("if-none-match", "*")).expect(201);
    fake.settle();
    let made = fake.get(PATH).expect(200);
    let etag = made["etag"].as_str().unwrap().to_owned();
    assert_eq!(
        fake.call_with(Method::PUT, PATH, widget("works"), with("if-none-match", "*")).code(),
        "PreconditionFailed"
    );
    fake.call_with(Method::PUT, PATH, widget("works"), with("if-match", &etag)).expect(200);
    assert_eq!(fake.call_with(Method::DELETE, PATH, Value::Null, with("if-match", &etag)).status, 412, "it changed");
    fake.call_with(Method::DELETE, PATH, Value::Null, any).expect(200);
}

#[test]
fn locations_actions_and_methods() {
    let mut fake = TestFake::with_group();
    fake.put(PATH, widget("works")).expect(201);
    let mut moved = widget("works");
    moved["location"] = json!("West US 3");
    let refused = fake.put(PATH, moved);
    assert_eq!((refused.status, refused.code()), (409, "InvalidResourceLocation"));
    let mut same = widget("works");
    same["location"] = json!("East US");
    assert_eq!(fake.put(PATH, same).expect(200)["location"], "eastus");

    let action = |name: &str| PATH.replace("/w?", &format!("/w/{name}?"));
    assert_eq!(fake.post(&action("polish"), Value::Null).expect(200), json!({"did": "polish"}));
    assert_eq!(fake.post(&action("burn"), Value::Null).status, 404);
    let on_collection = PATH.replace("/w?", "?");
    assert_eq!(fake.call(Method::DELETE, &on_collection, Value::Null).status, 405);
    assert_eq!(fake.get(&PATH.replace("2024-01-01", "2023-01-01-PREVIEW")).status, 200);
    assert_eq!(fake.call(Method::HEAD, PATH, Value::Null).status, 204);
    assert_eq!(fake.get(&PATH.replace("/rg/", "/nope/")).code(), "ResourceGroupNotFound");
    assert_eq!(fake.get("/subscriptions/zzz/resourceGroups?api-version=2021-04-01").code(), "InvalidSubscriptionId");
}

/// Throttling over a clock that stands until it is moved.
mod throttling {
    use super::*;
    use crate::world::{Bucket, Throttling};

    const GROUPS: &str = "/resourceGroups?api-version=2021-04-01";
    const VM: &str = "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/v?api-version=2024-07-01";

    fn fake(change: impl FnOnce(&mut Throttling)) -> TestFake {
        let mut fake = TestFake::with_group();
        let mut limits = Throttling::default();
        change(&mut limits);
        fake.world.settings_mut().throttling = limits;
        fake
    }

    #[test]
    fn reads_run_out_and_come_back_with_the_clock() {
        let mut fake = fake(|_| {});
        for left in (0..250).rev() {
            let reply = fake.get(GROUPS);
            assert_eq!(reply.header("x-ms-ratelimit-remaining-subscription-reads"), Some(left.to_string().as_str()));
            assert_eq!(reply.status, 200);
        }
        let refused = fake.get(GROUPS);
        assert_eq!((refused.status, refused.code()), (429, "SubscriptionRequestsThrottled"));
        assert_eq!(refused.header("retry-after"), Some("1"));
        assert_eq!(refused.header("x-ms-ratelimit-remaining-subscription-reads"), Some("0"));
        assert!(refused.message().starts_with("Number of 'read' requests for subscription '"), "{}", refused.message());
        let group = "/resourceGroups/other?api-version=2021-04-01";
        let write = fake.put(group, json!({"location": "eastus"}));
        assert_eq!(
            write.header("x-ms-ratelimit-remaining-subscription-writes"),
            Some("199"),
            "writes are another bucket"
        );
        assert_eq!(write.status, 201);
        let gone = fake.delete(group);
        assert_eq!(gone.header("x-ms-ratelimit-remaining-subscription-deletes"), Some("199"));
        fake.advance(Duration::from_secs(1));
        let back = fake.get(GROUPS);
        assert_eq!(back.header("x-ms-ratelimit-remaining-subscription-reads"), Some("24"), "25 came back in a second");
        fake.advance(Duration::from_secs(3600));
        let rested = fake.get(GROUPS);
        assert_eq!(
            rested.header("x-ms-ratelimit-remaining-subscription-reads"),
            Some("249"),
            "and no more than it holds"
        );
    }

    #[test]
    fn the_wait_is_told_in_whole_seconds() {
        let mut fake = fake(|limits| limits.reads = Bucket::per_second(1, 0.1));
        fake.get(GROUPS).expect(200);
        let refused = fake.get(GROUPS);
        assert_eq!(refused.header("retry-after"), Some("10"));
        assert!(refused.message().contains("Please try again after '10' seconds"), "{}", refused.message());
        fake.advance(Duration::from_secs(10));
        fake.get(GROUPS).expect(200);
    }

    #[test]
    fn everybody_together_has_a_limit_too() {
        let mut fake = fake(|limits| {
            limits.reads = Bucket::per_second(2, 1.0);
            limits.all_principals = 1;
        });
        fake.get(GROUPS).expect(200);
        fake.get(GROUPS).expect(200);
        assert_eq!(fake.get(GROUPS).status, 429);
        assert_eq!(fake.get("/tenants?api-version=2022-12-01").status, 200, "the tenant's requests are counted apart");
    }

    #[test]
    fn compute_has_policies_of_its_own() {
        let mut fake = fake(|_| {});
        let first = fake.get(VM);
        assert_eq!(
            first.header("x-ms-ratelimit-remaining-resource"),
            Some("Microsoft.Compute/LowCostGetSubscriptionMaximum;23999,Microsoft.Compute/LowCostGetResource;35")
        );
        for _ in 0..35 {
            assert_eq!(fake.get(VM).status, 404);
        }
        let refused = fake.get(VM);
        assert_eq!((refused.status, refused.code()), (429, "OperationNotAllowed"));
        assert_eq!(refused.header("x-ms-ratelimit-remaining-resource"), Some("Microsoft.Compute/LowCostGetResource;0"));
        let detail = &refused.body["error"]["details"][0];
        assert_eq!((&detail["code"], &detail["target"]), (&json!("TooManyRequests"), &json!("LowCostGetResource")));
        let inner: Value = serde_json::from_str(detail["message"].as_str().unwrap()).unwrap();
        assert_eq!(inner["allowedRequestCount"], 36);
        assert_eq!(fake.get(&VM.replace("/v?", "/other?")).status, 404, "each machine has a bucket of its own");
        fake.advance(Duration::from_secs(5));
        assert_eq!(fake.get(VM).status, 404, "twelve a minute come back");
        fake.world.settings_mut().throttling.compute = false;
        assert_eq!(fake.get(VM).status, 404);
    }

    #[test]
    fn polling_uses_nothing_up_while_callers_are_asked_to_poll_often() {
        let mut fake = fake(|limits| limits.reads = Bucket::per_second(1, 0.001));
        let made = fake.put(PATH, widget("works"));
        let poll = status_path(&made.headers);
        for _ in 0..3 {
            fake.get(&poll).expect(200);
        }
        fake.world.settings_mut().poll_interval = Duration::from_secs(10);
        fake.get(&poll).expect(200);
        assert_eq!(fake.get(&poll).status, 429);
        fake.world.settings_mut().throttling = Throttling::off();
        assert_eq!(fake.get(&poll).header("x-ms-ratelimit-remaining-subscription-reads"), None);
    }

    #[test]
    fn resource_graph_counts_queries() {
        let mut fake = fake(|_| {});
        let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";
        let query = json!({"query": "Resources | take 1"});
        for _ in 0..15 {
            fake.post(path, query.clone()).expect(200);
        }
        let refused = fake.post(path, query.clone());
        assert_eq!((refused.status, refused.code()), (429, "RateLimiting"));
        assert_eq!(refused.header("x-ms-user-quota-remaining"), Some("0"));
        assert_eq!(refused.header("x-ms-user-quota-resets-after"), Some("00:00:05"));
    }
}

#[test]
fn bodies_have_the_form_of_a_resource() {
    let mut fake = TestFake::with_group();
    for (body, part) in [
        (json!([]), "Error converting value [] to type 'ResourceDefinition'. Path ''"),
        (json!("x"), "Error converting value \"x\""),
        (json!({"location": {}}), "Path 'location'"),
        (json!({"location": "eastus", "tags": ["a"]}), "Path 'tags'"),
        (json!({"location": "eastus", "tags": {"a": {}}}), "Path 'tags.a'"),
        (json!({"location": "eastus", "properties": "p"}), "Path 'properties'"),
        (json!({"location": "eastus", "zones": "1"}), "Path 'zones'"),
        (
            json!({"location": "eastus", "colour": 1}),
            "Could not find member 'colour' on object of type 'ResourceDefinition'",
        ),
    ] {
        let refused = fake.put(PATH, body);
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequestContent"));
        assert!(refused.message().contains(part), "{} lacks {part}", refused.message());
    }
    let tagged = |tags: Value| json!({"location": "eastus", "tags": tags});
    let many: serde_json::Map<String, Value> = (0..51).map(|n| (n.to_string(), json!("x"))).collect();
    assert_eq!(fake.put(PATH, tagged(Value::Object(many))).code(), "InvalidTagsCount");
    assert_eq!(fake.put(PATH, tagged(json!({"a/b": "x"}))).code(), "InvalidTagNameCharacters");
    assert_eq!(fake.put(PATH, tagged(json!({"a": "x".repeat(257)}))).code(), "InvalidTagNameOrValue");
    fake.put(PATH, tagged(json!({"a": "b"}))).expect(201);
    assert_eq!(fake.patch(PATH, json!({"tags": {"c": ["d"]}})).code(), "InvalidRequestContent");
    assert_eq!(fake.patch(PATH, json!({"tags": {"c": "d"}})).expect(200)["tags"], json!({"c": "d"}));
    let group = fake.put("/resourceGroups/g?api-version=2021-04-01", json!({"location": "eastus", "sku": {}}));
    assert!(group.message().contains("object of type 'ResourceGroupDefinition'"), "{}", group.message());
}

#[test]
fn an_operation_is_followed_as_its_provider_says() {
    for (way, headers) in
        [("works", vec!["Azure-AsyncOperation"]), ("by location", vec!["Location"]), ("by state", vec![])]
    {
        let mut fake = TestFake::with_group();
        let made = fake.put(PATH, widget(way));
        let seen: Vec<&str> =
            ["Azure-AsyncOperation", "Location"].into_iter().filter(|h| made.header(h).is_some()).collect();
        assert_eq!(seen, headers, "{way}");
        assert!(made.header("Retry-After").is_some(), "{way}");
        fake.settle();
        assert_eq!(fake.get(PATH).expect(200)["properties"]["provisioningState"], "Succeeded");
    }
}
