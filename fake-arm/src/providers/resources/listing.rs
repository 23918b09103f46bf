//! What is in a resource group or in the subscription, and which of it a `$filter` lets through.

use serde_json::{Value, json};

use super::API_VERSIONS;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, Comparison, Filter, Predicate, invalid_filter};

struct Listing;

inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions/resources", API_VERSIONS, &Listing).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions/resourceGroups/resources", API_VERSIONS, &Listing).computed()
}

impl Handler for Listing {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let tracked = |name: &str| Registry::get().find(name).is_some_and(|t| t.tracked);
        let found = world.resources().iter().filter(|r| r.id.is_within(&request.id) && tracked(&r.resource_type));
        let found = filtered(found, request)?;
        let shown = found.into_iter().map(|resource| {
            let mut item = json!({ "id": resource.id, "name": resource.name(), "type": resource.resource_type });
            for field in ["location", "tags", "sku", "kind", "managedBy", "identity", "zones"] {
                if let Some(value) = resource.body.get(field) {
                    item[field] = value.clone();
                }
            }
            item
        });
        Ok(Answer::list(shown.collect::<Vec<Value>>()))
    }
}

/// Those that the request's `$filter` lets through; without a `$filter`, all of them.
///
/// # Errors
/// `InvalidFilterInQueryString`.
pub(super) fn filtered<'a>(
    resources: impl Iterator<Item = &'a Resource>,
    request: &Request,
) -> Result<Vec<&'a Resource>, ArmError> {
    let Some(text) = request.query.get("$filter").filter(|text| !text.trim().is_empty()) else {
        return Ok(resources.collect());
    };
    let filter = Filter::parse(text)?;
    let tag = filter.predicates().into_iter().find_map(tag_name);
    // Also a filter over nothing is looked at.
    for predicate in filter.predicates() {
        known(predicate).ok_or_else(|| invalid_filter(text))?;
    }
    let mut kept = Vec::new();
    for resource in resources {
        if filter.holds(&mut |predicate| passes(resource, predicate, tag).ok_or_else(|| invalid_filter(text)))? {
            kept.push(resource);
        }
    }
    Ok(kept)
}

fn tag_name(predicate: &Predicate) -> Option<&str> {
    match predicate {
        Predicate::Compare { property, value, .. } if property.eq_ignore_ascii_case("tagName") => Some(value),
        _ => None,
    }
}

const PROPERTIES: &[&str] =
    &["resourceType", "name", "location", "resourceGroup", "tagName", "tagValue", "identity/principalId", "kind"];

fn known(predicate: &Predicate) -> Option<()> {
    let known = match predicate {
        Predicate::Compare { property, comparison, .. } => {
            PROPERTIES.iter().any(|p| p.eq_ignore_ascii_case(property))
                && matches!(comparison, Comparison::Eq | Comparison::Ne)
        }
        Predicate::Call { function, arguments } => {
            arguments.len() == 2 && ["substringof", "startswith"].iter().any(|f| f.eq_ignore_ascii_case(function))
        }
    };
    known.then_some(())
}

/// Whether a resource passes; `None` for a predicate that is not known. `tag`: the tag whose value is asked for.
fn passes(resource: &Resource, predicate: &Predicate, tag: Option<&str>) -> Option<bool> {
    let of = |property: &str| -> Option<String> {
        Some(match property.to_ascii_lowercase().as_str() {
            "resourcetype" => resource.resource_type.clone(),
            "name" => resource.name().to_owned(),
            "location" => resource.location().to_owned(),
            "resourcegroup" => resource.id.resource_group().unwrap_or_default().to_owned(),
            "identity/principalid" => resource.body["identity"]["principalId"].as_str().unwrap_or_default().to_owned(),
            "kind" => resource.body["kind"].as_str().unwrap_or_default().to_owned(),
            _ => return None,
        })
    };
    match predicate {
        Predicate::Compare { property, comparison, value } => {
            let mut tags = resource.body["tags"].as_object().into_iter().flatten();
            let equal = if property.eq_ignore_ascii_case("tagName") {
                tags.any(|(name, _)| name.eq_ignore_ascii_case(value))
            } else if property.eq_ignore_ascii_case("tagValue") {
                tags.any(|(name, found)| {
                    tag.is_none_or(|tag| tag.eq_ignore_ascii_case(name)) && found.as_str() == Some(value)
                })
            } else {
                of(property)?.eq_ignore_ascii_case(value)
            };
            match comparison {
                Comparison::Eq => Some(equal),
                Comparison::Ne => Some(!equal),
                _ => None,
            }
        }
        Predicate::Call { function, arguments } => {
            let [first, second] = &arguments[..] else { return None };
            if function.eq_ignore_ascii_case("substringof") {
                Some(of(second)?.to_ascii_lowercase().contains(&first.to_ascii_lowercase()))
            } else if function.eq_ignore_ascii_case("startswith") {
                Some(of(first)?.to_ascii_lowercase().starts_with(&second.to_ascii_lowercase()))
            } else {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::gateway::TestFake;
    use serde_json::json;

    fn fake() -> TestFake {
        let mut fake = TestFake::with_group();
        for (name, tags) in
            [("one", json!({"env": "a", "team": "b"})), ("two", json!({"env": "b"})), ("three", json!({}))]
        {
            let path = format!(
                "/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/{name}?api-version=2022-01-01"
            );
            fake.put(&path, json!({"location": "eastus", "tags": tags})).expect(201);
        }
        let path = "/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/nsg?api-version=2022-01-01";
        fake.put(path, json!({"location": "eastus", "tags": {"env": "a"}})).expect(201);
        fake
    }

    fn names(fake: &mut TestFake, filter: &str) -> Vec<String> {
        let list = fake.get(&format!("/resources?api-version=2021-04-01&$filter={filter}")).expect(200);
        list["value"].as_array().unwrap().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn filters_choose_by_tag_type_and_name() {
        let mut fake = fake();
        assert_eq!(names(&mut fake, "").len(), 4);
        assert_eq!(names(&mut fake, "tagName eq 'ENV' and tagValue eq 'a'"), ["nsg", "one"]);
        assert_eq!(names(&mut fake, "tagName eq 'env' and tagValue eq 'b'"), ["two"], "not the value of another tag");
        assert_eq!(names(&mut fake, "tagName eq 'team'"), ["one"]);
        let of_type = "resourceType eq 'microsoft.network/publicIPAddresses'";
        assert_eq!(names(&mut fake, &format!("{of_type} and substringof('o', name)")), ["one", "two"]);
        assert_eq!(names(&mut fake, "startswith(name,'t')"), ["three", "two"]);
        assert_eq!(names(&mut fake, "resourceType ne 'Microsoft.Network/publicIPAddresses'"), ["nsg"]);
    }

    #[test]
    fn filters_that_azure_does_not_know_are_refused() {
        let mut fake = fake();
        for filter in ["bogus", "color eq 'red'", "name gt 'a'", "tagName eq 'none' and color eq 'x'", "atScope()"] {
            let refused = fake.get(&format!("/resources?api-version=2021-04-01&$filter={filter}"));
            assert_eq!((refused.status, refused.code()), (400, "InvalidFilterInQueryString"), "{filter}");
        }
        let groups = fake.get("/resourceGroups?api-version=2021-04-01&$filter=tagName eq 'x'").expect(200);
        assert_eq!(groups["value"], json!([]));
    }
}
