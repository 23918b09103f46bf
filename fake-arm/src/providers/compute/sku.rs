//! `Microsoft.Compute/skus`: the sizes of a region, or of all.

use serde_json::Value;

use super::capacity::Capacity;
use crate::catalog::Catalog;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;
use arm::ArmError;

struct Skus;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/skus", &["2021-07-01", "2019-04-01", "2017-09-01"], &Skus).computed()
}

impl Handler for Skus {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let catalog = Catalog::builtin();
        let filter = request.query.get("$filter").map(String::as_str).unwrap_or_default();
        let mut skus: Vec<Value> = match location(filter)? {
            Some(location) => catalog.skus(location),
            None => catalog.regions().iter().flat_map(|region| catalog.skus(&region.name)).collect(),
        };
        if let Some(capacity) = world.peek::<Capacity>() {
            for sku in &mut skus {
                let (region, name) = (sku["locations"][0].as_str(), sku["name"].as_str());
                sku["restrictions"] = capacity.shown_restrictions(region.unwrap_or_default(), name.unwrap_or_default());
            }
        }
        Ok(Answer::list(skus))
    }
}

/// The location in `location eq 'eastus'`, the only filter that Azure knows here.
fn location(filter: &str) -> Result<Option<&str>, ArmError> {
    let filter = filter.trim();
    if filter.is_empty() {
        return Ok(None);
    }
    let words: Vec<_> = filter.splitn(3, char::is_whitespace).collect();
    if let [property, operator, value] = words[..]
        && property.eq_ignore_ascii_case("location")
        && operator.eq_ignore_ascii_case("eq")
        && let Some(location) = value.trim().strip_prefix('\'').and_then(|value| value.strip_suffix('\''))
        && !location.contains('\'')
    {
        return Ok(Some(location));
    }
    Err(ArmError::bad_request(
        "InvalidFilterInQueryString",
        format!("The filter '{filter}' is not valid. Only the filter \"location eq '<region>'\" is supported."),
    ))
}

#[cfg(test)]
mod tests {
    use super::location;

    #[test]
    fn filter_is_a_location_or_nothing() {
        assert_eq!(location("location eq 'eastus'"), Ok(Some("eastus")));
        assert_eq!(location("location eq 'East US'"), Ok(Some("East US")));
        assert_eq!(location(""), Ok(None));
        for bad in ["location ne 'eastus'", "location eq eastus", "name eq 'x'", "location eq 'a' or name eq 'b'"] {
            assert_eq!(location(bad).expect_err(bad).code(), "InvalidFilterInQueryString");
        }
    }
}
