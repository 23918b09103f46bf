//! Links from a resource's body to other resources, which need a right of their own there.

use serde_json::Value;

/// A place in a body that names another resource, and the action that whoever writes it needs on that resource: a
/// network interface that names a subnet needs `Microsoft.Network/virtualNetworks/subnets/join/action` there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Names of fields with dots between; `name[]` is each item of an array, `name{}` each key of an object whose value
    /// is not null: `properties.ipConfigurations[].properties.subnet.id`.
    pub path: &'static str,
    /// The action on what is named.
    pub action: &'static str,
}

/// Whoever puts an identity on a resource needs this on the identity, whatever the resource.
pub(crate) fn identity_link() -> &'static Link {
    static LINK: Link = Link::new(
        "identity.userAssignedIdentities{}",
        "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    );
    &LINK
}

impl Link {
    /// A place and its action.
    pub const fn new(path: &'static str, action: &'static str) -> Self {
        Self { path, action }
    }

    /// What a body names at this place.
    pub fn named<'a>(&self, body: &'a Value) -> Vec<&'a str> {
        let mut found = Vec::new();
        let steps: Vec<&str> = self.path.split('.').collect();
        walk(body, &steps, &mut found);
        found
    }
}

fn walk<'a>(value: &'a Value, steps: &[&str], found: &mut Vec<&'a str>) {
    let Some((step, rest)) = steps.split_first() else {
        found.extend(value.as_str().filter(|text| !text.is_empty()));
        return;
    };
    if let Some(name) = step.strip_suffix("[]") {
        for item in value[name].as_array().into_iter().flatten() {
            walk(item, rest, found);
        }
    } else if let Some(name) = step.strip_suffix("{}") {
        let entries = value[name].as_object().into_iter().flatten();
        found.extend(entries.filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str()));
    } else {
        walk(&value[*step], rest, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arrays_keys_and_gaps_are_walked() {
        let body = json!({
            "identity": {"userAssignedIdentities": {"/a": {}, "/gone": null}},
            "properties": {"items": [{"subnet": {"id": "/s"}}, {}, {"subnet": {"id": ""}}, {"subnet": {"id": "/t"}}]},
        });
        let named = |path| Link::new(path, "x").named(&body);
        assert_eq!(named("identity.userAssignedIdentities{}"), ["/a"]);
        assert_eq!(named("properties.items[].subnet.id"), ["/s", "/t"]);
        assert!(named("properties.others[].subnet.id").is_empty() && named("properties.items").is_empty());
    }
}
