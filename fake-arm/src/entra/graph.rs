//! The little of Microsoft Graph that role assignments and `az ad` need: looking principals up by id and by name.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Principal, PrincipalKind, Principals};

/// What Graph answers.
#[derive(Debug)]
pub(crate) struct GraphAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// This fake does not serve it.
    pub(crate) unknown: bool,
}

impl GraphAnswer {
    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body, unknown: false }
    }

    /// Graph's error body.
    pub(crate) fn error(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, body: json!({ "error": { "code": code, "message": message.into() } }), unknown: false }
    }

    fn unserved(path: &str) -> Self {
        let message =
            format!("Resource not found for the segment '{path}'. fake-arm serves little of Microsoft Graph.");
        Self { unknown: true, ..Self::error(StatusCode::BAD_REQUEST, "BadRequest", message) }
    }

    fn missing(id: &str) -> Self {
        Self::error(
            StatusCode::NOT_FOUND,
            "Request_ResourceNotFound",
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present."),
        )
    }
}

/// A collection of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collection {
    ServicePrincipals,
    Users,
    Groups,
    Everything,
}

impl Collection {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "serviceprincipals" => Self::ServicePrincipals,
            "users" => Self::Users,
            "groups" => Self::Groups,
            "directoryobjects" => Self::Everything,
            _ => return None,
        })
    }

    fn holds(self, principal: &Principal) -> bool {
        match self {
            Self::ServicePrincipals => {
                matches!(principal.kind, PrincipalKind::ServicePrincipal | PrincipalKind::ManagedIdentity)
            }
            Self::Users => principal.kind == PrincipalKind::User,
            Self::Groups => principal.kind == PrincipalKind::Group,
            Self::Everything => true,
        }
    }
}

/// Answers a request. `path` is what follows the version: `servicePrincipals`, `users/{id}`.
pub(crate) fn answer(
    principals: &Principals,
    caller: Uuid,
    method: &Method,
    path: &str,
    filter: Option<&str>,
    body: &Value,
) -> GraphAnswer {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    match (method.as_str(), &segments[..]) {
        ("GET", ["me"]) => one(principals, Collection::Users, &caller.to_string()),
        ("POST", ["directoryObjects", "getByIds"]) => by_ids(principals, body),
        ("GET", [only]) if only.contains('(') => keyed(principals, only),
        ("GET", [collection]) => match Collection::named(collection) {
            Some(collection) => list(principals, collection, filter),
            None => GraphAnswer::unserved(path),
        },
        ("GET", [collection, id]) => match Collection::named(collection) {
            Some(collection) => one(principals, collection, id),
            None => GraphAnswer::unserved(path),
        },
        ("GET", ["groups", id, "members"]) => match Uuid::parse_str(id).ok().filter(|id| principals.get(*id).is_some())
        {
            Some(group) => {
                GraphAnswer::ok(json!({ "value": principals.members_of(group).map(shown).collect::<Vec<_>>() }))
            }
            None => GraphAnswer::missing(id),
        },
        _ => GraphAnswer::unserved(path),
    }
}

/// A principal as Graph shows it.
fn shown(principal: &Principal) -> Value {
    let id = principal.object_id;
    let name = &principal.display_name;
    match principal.kind {
        PrincipalKind::User => json!({
            "@odata.type": "#microsoft.graph.user",
            "id": id,
            "displayName": name,
            "userPrincipalName": name,
            "mail": null,
        }),
        PrincipalKind::Group => json!({
            "@odata.type": "#microsoft.graph.group",
            "id": id,
            "displayName": name,
            "mailEnabled": false,
            "securityEnabled": true,
        }),
        PrincipalKind::ServicePrincipal | PrincipalKind::ManagedIdentity => {
            let application = principal.kind == PrincipalKind::ServicePrincipal;
            json!({
                "@odata.type": "#microsoft.graph.servicePrincipal",
                "id": id,
                "appId": principal.client_id,
                "displayName": name,
                "appDisplayName": if application { json!(name) } else { Value::Null },
                "accountEnabled": true,
                "servicePrincipalNames": [principal.client_id],
                "servicePrincipalType": if application { "Application" } else { "ManagedIdentity" },
            })
        }
    }
}

fn one(principals: &Principals, collection: Collection, id: &str) -> GraphAnswer {
    let by_id = Uuid::parse_str(id).ok().and_then(|id| principals.get(id));
    let by_name =
        || principals.iter().find(|p| p.kind == PrincipalKind::User && p.display_name.eq_ignore_ascii_case(id));
    let found = by_id.or_else(by_name).filter(|principal| collection.holds(principal));
    found.map_or_else(|| GraphAnswer::missing(id), |principal| GraphAnswer::ok(shown(principal)))
}

/// `servicePrincipals(appId='…')`
fn keyed(principals: &Principals, segment: &str) -> GraphAnswer {
    let inner = segment.strip_prefix("servicePrincipals(appId='").and_then(|rest| rest.strip_suffix("')"));
    let Some(id) = inner else { return GraphAnswer::unserved(segment) };
    let found = Uuid::parse_str(id).ok().and_then(|id| principals.by_client(id));
    found.map_or_else(|| GraphAnswer::missing(id), |principal| GraphAnswer::ok(shown(principal)))
}

fn by_ids(principals: &Principals, body: &Value) -> GraphAnswer {
    let Some(ids) = body["ids"].as_array() else {
        return GraphAnswer::error(StatusCode::BAD_REQUEST, "Request_BadRequest", "The property 'ids' is required.");
    };
    let types: Option<Vec<String>> = body["types"]
        .as_array()
        .filter(|types| !types.is_empty())
        .map(|types| types.iter().filter_map(|t| t.as_str().map(str::to_ascii_lowercase)).collect());
    let wanted = |principal: &Principal| {
        let kind = match principal.kind {
            PrincipalKind::User => "user",
            PrincipalKind::Group => "group",
            PrincipalKind::ServicePrincipal | PrincipalKind::ManagedIdentity => "serviceprincipal",
        };
        types.as_ref().is_none_or(|types| types.iter().any(|t| t == kind || t == "directoryobject"))
    };
    let found = ids.iter().filter_map(|id| principals.get(id.as_str()?.parse().ok()?)).filter(|p| wanted(p));
    GraphAnswer::ok(json!({ "value": found.map(shown).collect::<Vec<_>>() }))
}

fn list(principals: &Principals, collection: Collection, filter: Option<&str>) -> GraphAnswer {
    let terms = match filter.map(|filter| filter.split(" or ").map(Term::read).collect::<Option<Vec<_>>>()) {
        None => None,
        Some(Some(terms)) => Some(terms),
        Some(None) => {
            let message = format!("Invalid filter clause: {}", filter.unwrap_or_default());
            return GraphAnswer { unknown: true, ..GraphAnswer::error(StatusCode::BAD_REQUEST, "BadRequest", message) };
        }
    };
    let matching = |p: &&Principal| {
        collection.holds(p) && terms.as_ref().is_none_or(|terms| terms.iter().any(|term| term.matches(&shown(p))))
    };
    GraphAnswer::ok(json!({ "value": principals.iter().filter(matching).map(shown).collect::<Vec<_>>() }))
}

/// One comparison of a `$filter`.
#[derive(Debug, PartialEq, Eq)]
enum Term {
    Equals(String, String),
    StartsWith(String, String),
    /// `servicePrincipalNames/any(c:c eq '…')`
    Any(String, String),
}

impl Term {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("startswith(").and_then(|rest| rest.strip_suffix(')')) {
            let (name, value) = rest.split_once(',')?;
            return Some(Self::StartsWith(name.trim().to_owned(), quoted(value.trim())?));
        }
        if let Some((name, rest)) = text.split_once("/any(") {
            let (_, value) = rest.strip_suffix(')')?.split_once(" eq ")?;
            return Some(Self::Any(name.to_owned(), quoted(value.trim())?));
        }
        let (name, value) = text.split_once(" eq ")?;
        Some(Self::Equals(name.trim().to_owned(), quoted(value.trim())?))
    }

    fn matches(&self, shown: &Value) -> bool {
        let equal = |value: &Value, wanted: &str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        match self {
            Self::Equals(name, wanted) => equal(&shown[name], wanted),
            Self::StartsWith(name, wanted) => {
                shown[name].as_str().is_some_and(|text| text.to_lowercase().starts_with(&wanted.to_lowercase()))
            }
            Self::Any(name, wanted) => {
                shown[name].as_array().is_some_and(|all| all.iter().any(|one| equal(one, wanted)))
            }
        }
    }
}

fn quoted(text: &str) -> Option<String> {
    Some(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Uuid = Uuid::from_u128(1);
    const APPLICATION: Uuid = Uuid::from_u128(2);
    const IDENTITY: Uuid = Uuid::from_u128(3);
    const GROUP: Uuid = Uuid::from_u128(4);

    fn directory() -> Principals {
        let mut principals = Principals::default();
        for (object_id, kind, name) in [
            (USER, PrincipalKind::User, "ann@example.com"),
            (APPLICATION, PrincipalKind::ServicePrincipal, "robot"),
            (IDENTITY, PrincipalKind::ManagedIdentity, "my-identity"),
            (GROUP, PrincipalKind::Group, "team"),
        ] {
            let client_id = Uuid::from_u128(object_id.as_u128() + 100);
            principals.add(Principal { object_id, client_id, kind, display_name: name.to_owned() });
        }
        principals.join(USER, GROUP);
        principals
    }

    fn get(path: &str, filter: Option<&str>) -> (u16, Value) {
        let answer = answer(&directory(), USER, &Method::GET, path, filter, &Value::Null);
        (answer.status.as_u16(), answer.body)
    }

    fn ids((status, body): (u16, Value)) -> Vec<Uuid> {
        assert_eq!(status, 200, "{body}");
        body["value"].as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// What `az role assignment create --assignee` asks, in its order.
    #[test]
    fn an_assignee_is_found_by_application_id_and_by_object_id() {
        let by_name =
            |id: Uuid| ids(get("servicePrincipals", Some(&format!("servicePrincipalNames/any(c:c eq '{id}')"))));
        assert_eq!(by_name(Uuid::from_u128(102)), [APPLICATION]);
        assert!(by_name(IDENTITY).is_empty(), "an object id is no name");
        let body = json!({"ids": [IDENTITY, Uuid::from_u128(9)], "types": ["user", "group", "servicePrincipal", "directoryObjectPartnerReference"]});
        let found = answer(&directory(), USER, &Method::POST, "directoryObjects/getByIds", None, &body);
        assert_eq!(found.body["value"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&found.body["value"][0]["id"], &found.body["value"][0]["@odata.type"]),
            (&json!(IDENTITY), &json!("#microsoft.graph.servicePrincipal"))
        );
        assert_eq!(ids(get("users", Some("userPrincipalName eq 'ANN@example.com'"))), [USER]);
    }

    #[test]
    fn principals_are_listed_shown_and_missed() {
        assert_eq!(ids(get("servicePrincipals", None)), [APPLICATION, IDENTITY]);
        assert_eq!(ids(get("servicePrincipals", Some("startswith(displayName,'MY-')"))), [IDENTITY]);
        assert_eq!(ids(get("groups", Some("displayName eq 'team'"))), [GROUP]);
        assert_eq!(ids(get(&format!("groups/{GROUP}/members"), None)), [USER]);
        assert_eq!(get(&format!("servicePrincipals/{IDENTITY}"), None).1["servicePrincipalType"], "ManagedIdentity");
        assert_eq!(
            get(&format!("servicePrincipals(appId='{}')", Uuid::from_u128(102)), None).1["displayName"],
            "robot"
        );
        assert_eq!(get("me", None).1["userPrincipalName"], "ann@example.com");
        let (status, body) = get(&format!("servicePrincipals/{USER}"), None);
        assert_eq!((status, &body["error"]["code"]), (404, &json!("Request_ResourceNotFound")));
        for (path, filter) in [("applications", None), ("users", Some("mail ne null")), ("users/a/b/c", None)] {
            let answer = answer(&directory(), USER, &Method::GET, path, filter, &Value::Null);
            assert!(answer.unknown && answer.status == 400, "{path}");
        }
    }
}
