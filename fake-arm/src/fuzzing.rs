//! What the fuzzers try: each probe takes any input and panics where the fake breaks a promise. The targets in
//! `fake-arm/fuzz` call them under libFuzzer; where that cannot run, the ignored test below does for as long as it is
//! told:
//!
//! ```sh
//! FAKE_ARM_FUZZ_SECONDS=600 cargo test --release -p fake-arm fuzzing -- --ignored
//! ```

use std::cell::RefCell;
use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock::Clock;
use crate::directory::{Principal, PrincipalKind};
use crate::gateway::{Incoming, dispatch};
use crate::provider::internal_put;
use crate::providers::authorization;
use crate::seed::WorldDocument;
use crate::world::{Settings, Throttling, World};
use arm::{Filter, ResourceId};
use rbac::{BuiltinRole, Condition};

/// A clock that stands.
#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

const SUBSCRIPTION: Uuid = Uuid::from_u128(0x1111);
const CALLER: Uuid = Uuid::from_u128(0x33);
const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000001111/resourceGroups/rg";
/// A world is asked this often before a fresh one takes its place.
const ASKED: usize = 500;

thread_local! {
    static WORLD: RefCell<Option<(World, usize)>> = const { RefCell::new(None) };
}

/// A small world: a network with a subnet, and an owner.
fn small_world() -> World {
    let mut settings = Settings::default();
    settings.throttling = Throttling::off();
    settings.conflicts = false;
    let mut world = World::new(Arc::new(FixedClock), 1, Uuid::from_u128(0x22), SUBSCRIPTION, settings)
        .expect("the system has random numbers");
    world.add_principal(Principal {
        object_id: CALLER,
        client_id: Uuid::from_u128(0x34),
        kind: PrincipalKind::ServicePrincipal,
        display_name: "fuzzer".to_owned(),
    });
    authorization::grant(&mut world, CALLER, BuiltinRole::Owner.id(), &ResourceId::subscription_of(SUBSCRIPTION));
    let mut put = |id: &str, kind: &str, body: Value| {
        internal_put(&mut world, &id.parse().expect("it is an id"), kind, body).expect("Azure takes it");
    };
    put(GROUP, "Microsoft.Resources/subscriptions/resourceGroups", json!({"location": "eastus"}));
    put(
        &format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/v"),
        "Microsoft.Network/virtualNetworks",
        json!({"location": "eastus", "tags": {"karpenter.sh_nodepool": "default"}, "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}]}}),
    );
    world
}

/// A probe begins: what the ones before it left behind is taken away from time to time.
fn begin() {
    WORLD.with_borrow_mut(|kept| {
        kept.take_if(|(_, asked)| *asked >= ASKED);
    });
}

/// Asks the small world; every refusal has a code and a message, and none is a panic of a provider.
fn ask(method: Method, path: &str, query: &str, body: Value) -> u16 {
    WORLD.with_borrow_mut(|kept| {
        let (world, asked) = kept.get_or_insert_with(|| (small_world(), 0));
        *asked += 1;
        let incoming = Incoming {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Arc::default(),
            body: Ok(body),
            origin: "https://127.0.0.1:1".to_owned(),
            caller: CALLER,
        };
        match dispatch(world, incoming).result {
            Ok(answer) => answer.status.as_u16(),
            Err(error) => {
                assert!(!error.code().is_empty() && !error.message().is_empty(), "an error says what is wrong");
                assert!(!error.status.is_success(), "an error is one");
                error.status.as_u16()
            }
        }
    })
}

/// A resource id is refused, or reads again as it shows itself, and its parents end at the tenant.
pub fn resource_id(text: &str) {
    let Ok(id) = ResourceId::parse(text) else { return };
    let again = ResourceId::parse(id.as_str()).expect("an id that was read reads again");
    assert_eq!(id, again);
    assert!(id.is_within(&ResourceId::tenant()) && id.is_within(&id));
    let (mut at, mut steps) = (id.clone(), 0);
    while let Some(parent) = at.parent() {
        assert!(at.is_within(&parent), "{at} lies in {parent}");
        assert!(parent.as_str().len() < at.as_str().len(), "parents are shorter");
        at = parent;
        steps += 1;
    }
    assert!(steps <= text.len());
    let _ = (id.resource_type(), id.names(), id.namespace(), id.group(), id.subscription().map(str::len));
}

/// A path is served or refused.
pub fn path(text: &str) {
    begin();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        ask(method, text, "api-version=2024-05-01", Value::Null);
    }
}

/// A Resource Graph query is answered or refused.
pub fn kql(text: &str) {
    begin();
    let path = "/providers/Microsoft.ResourceGraph/resources";
    let status = ask(Method::POST, path, "api-version=2021-03-01", json!({ "query": text }));
    assert!(matches!(status, 200 | 400), "{status}");
}

/// A prefix is taken as that of a network and a subnet, or refused; afterwards the network still shows what it was
/// given.
pub fn cidr(text: &str) {
    begin();
    let network = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/fuzzed");
    let query = "api-version=2024-05-01";
    let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": [text]}}});
    let made = ask(Method::PUT, &network, query, body);
    assert!(made < 500, "{made}");
    if made < 300 {
        let subnet = json!({"properties": {"addressPrefix": text}});
        assert!(ask(Method::PUT, &format!("{network}/subnets/s"), query, subnet) < 500);
        assert_eq!(ask(Method::GET, &network, query, Value::Null), 200);
        ask(Method::DELETE, &network, query, Value::Null);
    }
    let subnet = json!({"properties": {"addressPrefixes": [text, "10.0.200.0/24"]}});
    let path = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/fuzzed");
    assert!(ask(Method::PUT, &path, query, subnet) < 500);
    ask(Method::DELETE, &path, query, Value::Null);
}

/// What JSON bodies are sent to, with an api-version that each type knows.
const RESOURCES: &[(&str, &str)] = &[
    ("Microsoft.Network/virtualNetworks/x", "2024-05-01"),
    ("Microsoft.Network/virtualNetworks/v/subnets/x", "2024-05-01"),
    ("Microsoft.Network/networkInterfaces/x", "2024-05-01"),
    ("Microsoft.Network/networkSecurityGroups/x", "2024-05-01"),
    ("Microsoft.Network/loadBalancers/x", "2024-05-01"),
    ("Microsoft.Network/publicIPAddresses/x", "2024-05-01"),
    ("Microsoft.Compute/virtualMachines/x", "2024-07-01"),
    ("Microsoft.ManagedIdentity/userAssignedIdentities/x", "2023-01-31"),
    ("Microsoft.ContainerService/managedClusters/x", "2025-05-01"),
    ("Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-000000000001", "2022-04-01"),
    ("Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-000000000001", "2022-04-01"),
];

/// A body is taken or refused by the type that the first byte chooses.
pub fn body(bytes: &[u8]) {
    begin();
    let Some((first, text)) = bytes.split_first() else { return };
    let (kind, version) = RESOURCES[usize::from(*first) % RESOURCES.len()];
    let Ok(value) = serde_json::from_slice::<Value>(text) else { return };
    let path = format!("{GROUP}/providers/{kind}");
    let query = format!("api-version={version}");
    for method in [Method::PUT, Method::PATCH] {
        let status = ask(method, &path, &query, value.clone());
        // Without an engine there are no clusters.
        assert!(status < 500 || status == 501, "{status} for {path}");
    }
    // What was taken can be shown.
    assert!(ask(Method::GET, &path, &query, Value::Null) < 500);
    ask(Method::DELETE, &path, &query, Value::Null);
}

/// A condition of a role assignment is read or refused, and shows itself as it was written.
pub fn condition(text: &str) {
    if let Ok(condition) = Condition::parse(text) {
        assert!(Condition::parse(condition.as_str()).is_ok(), "a condition that was read reads again");
    }
}

/// A `$filter` is read or refused.
pub fn filter(text: &str) {
    if let Ok(filter) = Filter::parse(text) {
        let held = filter.holds::<()>(&mut |_| Ok(true)).is_ok();
        assert!(held && !filter.predicates().is_empty());
    }
}

/// A world in YAML is read or refused.
pub fn world(text: &str) {
    let _ = WorldDocument::parse(text);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestCaseError, TestRunner};

    use super::*;

    /// A probe with texts to start from and words to put in.
    struct Target {
        name: &'static str,
        probe: fn(&str),
        seeds: &'static [&'static str],
        words: &'static [&'static str],
    }

    const TARGETS: &[Target] = &[
        Target {
            name: "resource ids",
            probe: resource_id,
            seeds: &[
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a",
                "/subscriptions/s/providers/Microsoft.Compute/register",
                "/subscriptions/s/resourceGroups/g/providers/A.B/c/d/providers/Microsoft.Authorization/roleAssignments/e",
            ],
            words: &["/", "providers", "/providers/", "subscriptions", "..", "Microsoft.Network", "é", " "],
        },
        Target {
            name: "paths",
            probe: path,
            seeds: &[
                "/subscriptions/00000000-0000-0000-0000-000000001111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v",
                "/subscriptions/00000000-0000-0000-0000-000000001111/providers/Microsoft.Compute/skus",
                "/providers/Microsoft.ResourceGraph/resources",
            ],
            words: &["/", "%2f", "%", "//", "providers", "locations/eastus/operations/", "subnets/a", "é", "start"],
        },
        Target {
            name: "queries",
            probe: kql,
            seeds: &[
                "Resources | where type == \"microsoft.network/virtualnetworks\" | where tags has_cs \"karpenter.sh_nodepool\"",
                "Resources | where not(tags has_cs 'x') and properties.addressSpace.addressPrefixes[0] =~ '10.0.0.0/16'",
                "resources | where name in~ ('v', \"w\") or isempty(zones) | project id, name | order by name desc | take 5 | count",
            ],
            words: &[
                "|",
                "where",
                "(",
                ")",
                "not(",
                "'",
                "\"",
                "\\",
                "==",
                "has",
                "in",
                "tags['a']",
                "[0]",
                "1e309",
                "é",
                "//",
            ],
        },
        Target {
            name: "prefixes",
            probe: cidr,
            seeds: &[
                "10.1.0.0/16",
                "fd00:1::/48",
                "0.0.0.0/0",
                "255.255.255.255/32",
                "10.0.0.1/33",
                "::ffff:10.0.0.0/104",
            ],
            words: &["/", ".", ":", "::", "-1", "256", "0", "99999999999999999999", " ", "é"],
        },
        Target {
            name: "bodies",
            probe: |text| body(text.as_bytes()),
            seeds: &[
                "a{\"location\":\"eastus\",\"properties\":{\"addressSpace\":{\"addressPrefixes\":[\"10.9.0.0/16\"]},\"subnets\":[{\"name\":\"s\",\"properties\":{\"addressPrefix\":\"10.9.1.0/24\"}}]}}",
                "c{\"location\":\"eastus\",\"properties\":{\"ipConfigurations\":[{\"name\":\"i\",\"properties\":{\"primary\":true,\"subnet\":{\"id\":\"/subscriptions/00000000-0000-0000-0000-000000001111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/a\"}}}]}}",
                "i{\"location\":\"eastus\",\"zones\":[\"1\"],\"properties\":{\"hardwareProfile\":{\"vmSize\":\"Standard_D2s_v5\"},\"storageProfile\":{\"imageReference\":{\"communityGalleryImageId\":\"x\"},\"osDisk\":{\"createOption\":\"FromImage\"}},\"osProfile\":{\"computerName\":\"x\",\"adminUsername\":\"u\"},\"networkProfile\":{\"networkInterfaces\":[{\"id\":\"x\"}]}}}",
                "k{\"location\":\"eastus\",\"identity\":{\"type\":\"SystemAssigned\"},\"properties\":{\"dnsPrefix\":\"d\",\"agentPoolProfiles\":[{\"name\":\"p\",\"count\":1,\"vmSize\":\"Standard_D2s_v5\",\"mode\":\"System\"}],\"networkProfile\":{\"networkPlugin\":\"azure\",\"networkPluginMode\":\"overlay\"},\"nodeProvisioningProfile\":{\"mode\":\"Auto\"}}}",
                "l{\"properties\":{\"roleDefinitionId\":\"/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7\",\"principalId\":\"00000000-0000-0000-0000-000000000033\",\"condition\":\"true\",\"conditionVersion\":\"2.0\"}}",
            ],
            words: &[
                "null",
                "[]",
                "{}",
                "-1",
                "1e400",
                "\"\"",
                "true",
                "[null]",
                "{\"id\":null}",
                "99999999999999999999",
                "\"é\"",
                ",",
            ],
        },
        Target {
            name: "conditions",
            probe: condition,
            seeds: &[
                "((!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {4d97b98b-1d4f-4787-a291-c67834d212e7}))",
                "@Resource[Microsoft.Network/virtualNetworks/subnets:name] StringEquals 'a' && !(ActionMatches{'*/read'})",
            ],
            words: &[
                "(",
                ")",
                "!",
                "&&",
                "||",
                "AND",
                "OR",
                "'",
                "{",
                "}",
                "@Request[",
                "]",
                "ActionMatches{",
                "ForAllOfAnyValues:",
                "é",
            ],
        },
        Target {
            name: "filters",
            probe: filter,
            seeds: &["tagName eq 'a' and tagValue eq 'b'", "atScope() or not (substringof('x', name))"],
            words: &["(", ")", "'", "''", "eq", "and", "or", "not", ",", "é"],
        },
        Target {
            name: "worlds",
            probe: world,
            seeds: &["resources:\n  - id: /resourceGroups/rg\n    location: eastus\nprincipals: [{name: a}]\n"],
            words: &["\n", "  ", "- ", ": ", "&a", "*a", "!!int", "{", "[", "\"", "|", "é", "<<: *a"],
        },
    ];

    /// One change of a text.
    #[derive(Debug, Clone)]
    enum Change {
        Delete { at: prop::sample::Index, count: usize },
        Insert { at: prop::sample::Index, word: prop::sample::Index },
        Repeat { at: prop::sample::Index, count: usize, times: usize },
        Put { at: prop::sample::Index, letter: char },
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            (any::<prop::sample::Index>(), 1usize..20).prop_map(|(at, count)| Change::Delete { at, count }),
            any::<(prop::sample::Index, prop::sample::Index)>().prop_map(|(at, word)| Change::Insert { at, word }),
            (any::<prop::sample::Index>(), 1usize..20, 1usize..50).prop_map(|(at, count, times)| Change::Repeat {
                at,
                count,
                times
            }),
            any::<(prop::sample::Index, char)>().prop_map(|(at, letter)| Change::Put { at, letter }),
        ]
    }

    fn changed(seed: &str, words: &[&str], changes: &[Change]) -> String {
        let mut text: Vec<char> = seed.chars().collect();
        for change in changes {
            let place = |at: &prop::sample::Index| at.index(text.len() + 1);
            match change {
                Change::Delete { at, count } => {
                    let from = place(at);
                    let to = (from + count).min(text.len());
                    text.drain(from..to);
                }
                Change::Insert { at, word } => {
                    let at = place(at);
                    text.splice(at..at, words[word.index(words.len())].chars());
                }
                Change::Repeat { at, count, times } => {
                    let from = place(at);
                    let part: Vec<char> = text[from..(from + count).min(text.len())].to_vec();
                    let more: Vec<char> = part.iter().cycle().take(part.len() * times).copied().collect();
                    text.splice(from..from, more);
                }
                Change::Put { at, letter } => {
                    let at = place(at);
                    text.insert(at, *letter);
                }
            }
        }
        text.into_iter().collect()
    }

    /// No input may take longer, on however busy a machine.
    const LONGEST: Duration = Duration::from_secs(10);

    fn run(target: &Target, cases: u32, until: Option<Instant>) -> u64 {
        let strategy = (0..target.seeds.len(), prop::collection::vec(change(), 0..8));
        let mut tried = 0;
        loop {
            let config = Config { cases, failure_persistence: None, ..Config::default() };
            let outcome = TestRunner::new(config).run(&strategy, |(seed, changes)| {
                let text = changed(target.seeds[seed], target.words, &changes);
                let start = Instant::now();
                (target.probe)(&text);
                if start.elapsed() > LONGEST {
                    return Err(TestCaseError::fail(format!("{text:?} takes {:?}", start.elapsed())));
                }
                Ok(())
            });
            if let Err(error) = outcome {
                let shown = match &error {
                    proptest::test_runner::TestError::Fail(_, (seed, changes)) => {
                        changed(target.seeds[*seed], target.words, changes)
                    }
                    proptest::test_runner::TestError::Abort(_) => String::new(),
                };
                panic!("{}: {error}\ninput: {shown:?}", target.name);
            }
            tried += u64::from(cases);
            if until.is_none_or(|until| Instant::now() >= until) {
                return tried;
            }
        }
    }

    /// A short run, so that the long one is known to work, and each seed is what it is meant to be.
    #[test]
    fn fuzzing_for_a_moment_finds_nothing() {
        for target in TARGETS {
            for seed in target.seeds {
                (target.probe)(seed);
            }
            run(target, 64, None);
        }
    }

    #[test]
    #[ignore = "takes FAKE_ARM_FUZZ_SECONDS (60) for each target"]
    fn fuzzing_for_long_finds_nothing() {
        let seconds = std::env::var("FAKE_ARM_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60);
        let chosen = std::env::var("FAKE_ARM_FUZZ_TARGET").unwrap_or_default();
        for target in TARGETS.iter().filter(|target| target.name.contains(&chosen)) {
            let tried = run(target, 2000, Some(Instant::now() + Duration::from_secs(seconds)));
            println!("{}: {tried} inputs", target.name);
        }
    }
}
