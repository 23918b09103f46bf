//! The decision against a slow one that is obviously right: generated worlds of a few scopes, roles, assignments,
//! groups, deny assignments and conditions, small enough for everything to meet everything.

use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::action::tests::slowly;
use crate::condition::{Source, Value};
use crate::{Condition, Hierarchy, Permission, RoleDefinition, RoleKind};

/// Scopes, each with the one around it.
const SCOPES: &[(&str, usize)] = &[
    ("/", 0),
    ("/providers/Microsoft.Management/managementGroups/A", 0),
    ("/providers/Microsoft.Management/managementGroups/B", 1),
    ("/subscriptions/S", 2),
    ("/subscriptions/T", 0),
    ("/subscriptions/S/resourceGroups/G", 3),
    ("/subscriptions/S/resourceGroups/GG", 3),
    ("/subscriptions/T/resourceGroups/G", 4),
    ("/subscriptions/S/resourceGroups/G/providers/Micro.Net/vnets/V", 5),
    ("/subscriptions/S/resourceGroups/G/providers/Micro.Net/vnets/W", 5),
    ("/subscriptions/S/resourceGroups/GG/providers/Micro.Net/vnets/V", 6),
    ("/subscriptions/S/resourceGroups/G/providers/Micro.Net/vnets/V/subnets/X", 8),
    ("/subscriptions/S/resourceGroups/G/providers/Micro.Net/vnets/V/subnets/Y", 8),
    ("/subscriptions/S/resourceGroups/G/providers/Micro.Net/vnets/V/subnets/X/providers/Micro.Auth/grants/R", 11),
];

const ACTIONS: &[&str] = &[
    "Micro.Net/vnets/read",
    "Micro.Net/vnets/write",
    "Micro.Net/vnets/subnets/read",
    "Micro.Net/vnets/subnets/write",
    "Micro.Net/vnets/subnets/join/action",
    "Micro.Auth/grants/write",
];

const PATTERNS: &[&str] = &[
    "*",
    "*/read",
    "*/write",
    "Micro.Net/*",
    "Micro.Net/vnets/*",
    "Micro.Net/*/read",
    "Micro.*/subnets/*",
    "Micro.Net/vnets/subnets/*/action",
    "Micro.Net/vnets/subnets/*/join/action",
    "Micro.Net/vnets/subnets/join/action",
    "Micro.Net/vnets/subnets/read",
    "Micro.Auth/*/Write",
    "Other/*",
];

/// What a request says of itself.
struct Said(Vec<(&'static str, i64)>);

impl Attributes for Said {
    fn values(&self, source: Source, name: &str) -> Option<Vec<Value>> {
        let found = self.0.iter().find(|(said, _)| *said == name).filter(|_| source == Source::Request)?;
        Some(vec![Value::Number(found.1)])
    }
}

/// A condition as the generator thinks of it.
enum Wish {
    And(Box<Wish>, Box<Wish>),
    Or(Box<Wish>, Box<Wish>),
    Not(Box<Wish>),
    Action(&'static str),
    Number(&'static str, &'static str, i64),
}

impl Wish {
    fn any(rng: &mut ChaCha8Rng, depth: u32) -> Self {
        let next = |rng: &mut ChaCha8Rng| Box::new(Self::any(rng, depth + 1));
        match rng.random_range(if depth > 2 { 3..5 } else { 0..5 }) {
            0 => Self::And(next(rng), next(rng)),
            1 => Self::Or(next(rng), next(rng)),
            2 => Self::Not(next(rng)),
            3 => Self::Action(pick(rng, PATTERNS)),
            _ => Self::Number(
                pick(rng, &["a:n", "b:n"]),
                pick(rng, &["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericGreaterThanEquals"]),
                rng.random_range(0..3),
            ),
        }
    }

    fn written(&self, rng: &mut ChaCha8Rng) -> String {
        match self {
            Self::And(a, b) => {
                format!("({}){}({})", a.written(rng), pick(rng, &["&&", " AND ", "\n and "]), b.written(rng))
            }
            Self::Or(a, b) => format!("({}) {} ({})", a.written(rng), pick(rng, &["||", "OR"]), b.written(rng)),
            Self::Not(a) => format!("{}({})", pick(rng, &["!", "NOT "]), a.written(rng)),
            Self::Action(pattern) => format!("ActionMatches{{'{}'}}", cased(rng, pattern)),
            Self::Number(name, operator, number) => {
                format!("@Request[{name}] {} {number}", cased(rng, operator))
            }
        }
    }

    fn holds(&self, action: &str, said: &Said) -> bool {
        match self {
            Self::And(a, b) => a.holds(action, said) & b.holds(action, said),
            Self::Or(a, b) => a.holds(action, said) | b.holds(action, said),
            Self::Not(a) => !a.holds(action, said),
            Self::Action(pattern) => slowly(pattern, action),
            Self::Number(name, operator, wanted) => match said.0.iter().find(|(said, _)| said == name) {
                None => false,
                Some((_, given)) => match *operator {
                    "NumericEquals" => given == wanted,
                    "NumericNotEquals" => given != wanted,
                    "NumericLessThan" => given < wanted,
                    _ => given >= wanted,
                },
            },
        }
    }
}

struct Role {
    id: Uuid,
    /// Actions and not-actions of each permission, for control and data plane alike.
    permissions: Vec<[Vec<&'static str>; 4]>,
}

struct Grant {
    name: Uuid,
    scope: usize,
    role: usize,
    principal: Uuid,
    wish: Option<Wish>,
    from: i64,
    until: Option<i64>,
}

struct Ban {
    scope: usize,
    only_here: bool,
    permissions: Vec<[Vec<&'static str>; 4]>,
    principals: Vec<Uuid>,
    spared: Vec<Uuid>,
    wish: Option<Wish>,
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    *from.choose(rng).expect("there is something")
}

fn cased(rng: &mut ChaCha8Rng, text: &str) -> String {
    match rng.random_range(0..6) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

fn some<T>(rng: &mut ChaCha8Rng, most: usize, mut one: impl FnMut(&mut ChaCha8Rng) -> T) -> Vec<T> {
    (0..rng.random_range(0..=most)).map(|_| one(rng)).collect()
}

fn permissions(rng: &mut ChaCha8Rng) -> Vec<[Vec<&'static str>; 4]> {
    (0..rng.random_range(1..=2)).map(|_| [3, 1, 1, 1].map(|most| some(rng, most, |rng| pick(rng, PATTERNS)))).collect()
}

fn covers_slowly(permissions: &[[Vec<&'static str>; 4]], action: &str, data: bool) -> bool {
    permissions.iter().any(|[actions, not_actions, data_actions, not_data_actions]| {
        let (granted, taken) = if data { (data_actions, not_data_actions) } else { (actions, not_actions) };
        granted.iter().any(|p| slowly(p, action)) && !taken.iter().any(|p| slowly(p, action))
    })
}

fn built(permissions: &[[Vec<&'static str>; 4]], rng: &mut ChaCha8Rng) -> Vec<Permission> {
    let mut patterns = |texts: &[&str]| texts.iter().map(|t| crate::ActionPattern::new(&cased(rng, t))).collect();
    permissions
        .iter()
        .map(|[a, n, d, nd]| Permission {
            actions: patterns(a),
            not_actions: patterns(n),
            data_actions: patterns(d),
            not_data_actions: patterns(nd),
        })
        .collect()
}

fn inside(mut scope: usize, outer: usize) -> bool {
    loop {
        if scope == outer {
            return true;
        }
        if scope == 0 {
            return false;
        }
        scope = SCOPES[scope].1;
    }
}

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + at).unwrap()
}

fn id(rng: &mut ChaCha8Rng, scope: usize) -> ResourceId {
    ResourceId::parse(&cased(rng, SCOPES[scope].0)).unwrap()
}

/// One generated world and question: what the quick decision says, and what the slow one says.
fn one_case(seed: u64) -> bool {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let people: Vec<Uuid> = (1..=3).map(Uuid::from_u128).collect();
    let wish = |rng: &mut ChaCha8Rng, of: u32| rng.random_ratio(1, of).then(|| Wish::any(rng, 0));
    let roles: Vec<Role> =
        (0..3).map(|n| Role { id: Uuid::from_u128(100 + n), permissions: permissions(rng) }).collect();
    let grants: Vec<Grant> = some(rng, 9, |rng| Grant {
        name: Uuid::from_u128(rng.random_range(1000..1_000_000_000)),
        // More often a scope near the tenant, which has more below it.
        scope: rng.random_range(0..SCOPES.len()).min(rng.random_range(0..SCOPES.len())),
        role: rng.random_range(0..roles.len()),
        principal: pick(rng, &people),
        wish: wish(rng, 2),
        from: rng.random_range(-2..=1),
        until: rng.random_ratio(1, 4).then(|| rng.random_range(-1..3)),
    });
    let bans: Vec<Ban> = some(rng, 1, |rng| Ban {
        scope: rng.random_range(0..SCOPES.len()),
        only_here: rng.random_ratio(1, 3),
        permissions: permissions(rng),
        principals: some(rng, 2, |rng| if rng.random_ratio(1, 3) { Uuid::nil() } else { pick(rng, &people) }),
        spared: some(rng, 1, |rng| pick(rng, &people)),
        wish: wish(rng, 3),
    });

    let mut hierarchy = Hierarchy::default();
    for child in [2, 3] {
        hierarchy.place(&id(rng, child), &id(rng, SCOPES[child].1));
    }
    let mut policy = Policy::new(hierarchy);
    for role in &roles {
        policy.define(RoleDefinition {
            id: role.id,
            name: String::new(),
            description: String::new(),
            kind: RoleKind::Custom,
            permissions: built(&role.permissions, rng),
            assignable_scopes: Vec::new(),
        });
    }
    let condition = |wish: &Option<Wish>, rng: &mut ChaCha8Rng| {
        wish.as_ref().map(|wish| Condition::parse(&wish.written(rng)).unwrap())
    };
    for grant in &grants {
        policy.assign(RoleAssignment {
            name: grant.name,
            scope: id(rng, grant.scope),
            role: roles[grant.role].id,
            principal: grant.principal,
            condition: condition(&grant.wish, rng),
            from: second(grant.from),
            until: grant.until.map(second),
        });
    }
    for ban in &bans {
        policy.deny(DenyAssignment {
            id: Uuid::from_u128(9),
            name: "ban".into(),
            scope: id(rng, ban.scope),
            only_here: ban.only_here,
            permissions: built(&ban.permissions, rng),
            principals: ban.principals.clone(),
            spared: ban.spared.clone(),
            condition: condition(&ban.wish, rng),
        });
    }

    let principal = pick(rng, &people);
    let groups: Vec<Uuid> = some(rng, 2, |rng| pick(rng, &people));
    let action = pick(rng, ACTIONS);
    let data = rng.random_ratio(1, 5);
    let at = rng.random_range(0..SCOPES.len());
    let said = Said(some(rng, 2, |rng| (pick(rng, &["a:n", "b:n"]), rng.random_range(0..3))));
    let (scope, written) = (id(rng, at), cased(rng, action));
    let access =
        Access { principal, groups: &groups, action: &written, data, scope: &scope, attributes: &said, now: second(0) };

    let whom = |id: &Uuid| *id == principal || groups.contains(id);
    let usable: Vec<&Grant> = grants
        .iter()
        .filter(|g| whom(&g.principal) && g.from <= 0 && g.until.is_none_or(|until| until > 0))
        .filter(|g| covers_slowly(&roles[g.role].permissions, action, data))
        .collect();
    let here: Vec<&&Grant> = usable.iter().filter(|g| inside(at, g.scope)).collect();
    let granting: Vec<Uuid> =
        here.iter().filter(|g| g.wish.as_ref().is_none_or(|wish| wish.holds(action, &said))).map(|g| g.name).collect();
    let banned = bans.iter().any(|ban| {
        (if ban.only_here { ban.scope == at } else { inside(at, ban.scope) })
            && ban.principals.iter().any(|id| id.is_nil() || whom(id))
            && !ban.spared.iter().any(whom)
            && covers_slowly(&ban.permissions, action, data)
            && ban.wish.as_ref().is_none_or(|wish| wish.holds(action, &said))
    });

    let quick = decide(&policy, &access);
    let agreed = match &quick {
        Decision::Allowed { by } => granting.contains(by) && !banned,
        Decision::Refused(Refusal::Denied { .. }) => !granting.is_empty() && banned,
        Decision::Refused(Refusal::ConditionNotFulfilled) => granting.is_empty() && !here.is_empty(),
        Decision::Refused(Refusal::NotGranted) => here.is_empty(),
    };
    assert!(agreed, "seed {seed}: {quick:?} for {access:?}, granting {granting:?}, banned {banned}");
    assert_eq!(
        grants_below(&policy, &access),
        usable.iter().any(|g| inside(g.scope, at)),
        "seed {seed}: something below {scope}"
    );
    quick.is_allowed()
}

fn agree(cases: u64) {
    let allowed = (0..cases).filter(|seed| one_case(*seed)).count() as u64;
    // The generator must not be one that answers itself: both answers have to be common.
    assert!(allowed > cases / 20 && allowed < cases - cases / 20, "{allowed} of {cases} were allowed");
}

#[test]
fn the_quick_and_the_slow_decision_agree() {
    agree(5_000);
}

/// `cargo test -p fake-arm --release -- --ignored rbac_million`, with `RBAC_CASES` for another number.
#[test]
#[ignore = "takes a minute in release"]
fn rbac_million() {
    agree(std::env::var("RBAC_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000));
}

/// The time that a decision takes does not grow with the assignments that have nothing to do with it. Relative, and the
/// best of several: the machine may be busy with other things.
#[test]
fn a_thousand_assignments_do_not_slow_the_decision_down() {
    let best = |assignments: usize| {
        let group = |n: usize| ResourceId::parse(&format!("/subscriptions/s/resourceGroups/g{n}")).unwrap();
        let mut policy = Policy::default();
        for n in 0..assignments {
            policy.assign(RoleAssignment {
                name: Uuid::from_u128(n as u128),
                scope: group(n),
                role: crate::BuiltinRole::NetworkContributor.id(),
                principal: Uuid::from_u128(1),
                condition: None,
                from: second(0),
                until: None,
            });
        }
        let last = assignments - 1;
        let scope = group(last).resource("Microsoft.Network/virtualNetworks", "v").child("subnets", "a");
        let access = Access {
            principal: Uuid::from_u128(1),
            groups: &[],
            action: "Microsoft.Network/virtualNetworks/subnets/join/action",
            data: false,
            scope: &scope,
            attributes: &crate::condition::NoAttributes,
            now: second(0),
        };
        let round = |_| {
            let start = std::time::Instant::now();
            for _ in 0..200 {
                assert_eq!(decide(&policy, &access), Decision::Allowed { by: Uuid::from_u128(last as u128) });
            }
            start.elapsed()
        };
        (0..20).map(round).min().expect("there are rounds")
    };
    let (few, many) = (best(10), best(1_000));
    assert!(many < few * 10, "{few:?} with ten, {many:?} with a thousand");
}
