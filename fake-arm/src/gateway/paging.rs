//! Pages of a list. A page's link to the next is opaque to callers: it tells the last item shown and its place, so that
//! what is created or deleted in between neither repeats an item nor leaves one out.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::provider::{Request, shown};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// What a `$skiptoken` says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct SkipToken {
    /// Items before the page.
    #[serde(rename = "n")]
    count: usize,
    /// Id (or name) of the last of them.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

impl SkipToken {
    fn write(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(token: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64.decode(token).ok()?).ok()
    }

    /// Where the page starts in the list as it is now.
    fn start(&self, items: &Items) -> usize {
        let same = |at: usize| self.after.as_deref().is_some_and(|after| items.key(at) == Some(after));
        // Nothing has changed for most lists: the item is where it was.
        if self.count.checked_sub(1).is_some_and(same) {
            return self.count;
        }
        (0..items.len()).find(|at| same(*at)).map_or(self.count, |at| at + 1)
    }
}

/// The items of a list.
#[derive(Debug)]
pub(super) enum Items {
    /// As they are sent.
    Shown(Vec<Value>),
    /// Resources to be shown.
    Ids(Vec<ResourceId>),
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Self::Shown(items) => items.len(),
            Self::Ids(ids) => ids.len(),
        }
    }

    /// What an item is known by.
    fn key(&self, at: usize) -> Option<&str> {
        match self {
            Self::Shown(items) => items.get(at).and_then(|item| item["id"].as_str().or_else(|| item["name"].as_str())),
            Self::Ids(ids) => ids.get(at).map(ResourceId::as_str),
        }
    }

    /// Some of them as they are sent.
    fn show(self, world: &World, range: Range<usize>) -> Vec<Value> {
        match self {
            Self::Shown(mut items) => {
                items.truncate(range.end);
                items.split_off(range.start)
            }
            Self::Ids(ids) => {
                let found = ids[range].iter().filter_map(|id| world.resources().get(id));
                found.map(|resource| shown(world, resource)).collect()
            }
        }
    }
}

/// One page of a list, with a link to the next.
///
/// # Errors
/// 400 for a link that is not ours, and for a `$top` that is no positive number.
pub(super) fn page(world: &World, request: &Request, items: Items) -> Result<Value, ArmError> {
    let size = world.settings().page_size.max(1);
    let size = top(request)?.map_or(size, |top| top.min(size));
    let start = match request.query.get("$skiptoken") {
        None => 0,
        Some(token) => SkipToken::read(token).ok_or_else(|| invalid_token(token))?.start(&items),
    };
    let start = start.min(items.len());
    let end = start.saturating_add(size).min(items.len());
    let next = (end < items.len()).then(|| {
        let after = end.checked_sub(1).and_then(|last| items.key(last)).map(str::to_owned);
        let token = SkipToken { count: end, after };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in request.query.iter().filter(|(key, _)| *key != "$skiptoken") {
            query.append_pair(key, value);
        }
        query.append_pair("$skiptoken", &token.write());
        format!("{}{}?{}", request.origin, collection_path(request), query.finish())
    });
    let mut body = json!({});
    body["value"] = Value::Array(items.show(world, start..end));
    if let Some(next) = next {
        body["nextLink"] = json!(next);
    }
    Ok(body)
}

/// `$top` of the lists that know it: those of the resources provider.
fn top(request: &Request) -> Result<Option<usize>, ArmError> {
    let Some(asked) = request.query.get("$top").filter(|_| request.resource_type.namespace() == "Microsoft.Resources")
    else {
        return Ok(None);
    };
    match asked.parse() {
        Ok(top) if top > 0 => Ok(Some(top)),
        _ => Err(ArmError::bad_request(
            "InvalidTopInQueryString",
            format!("Invalid $top '{asked}' specified in the query string."),
        )),
    }
}

fn invalid_token(token: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidSkipToken",
        format!("The value '{token}' of the query parameter '$skiptoken' is invalid. Use the whole nextLink."),
    )
}

/// The path of the list that was asked for.
fn collection_path(request: &Request) -> String {
    let kind = request.resource_type.name.rsplit('/').next().unwrap_or_default();
    let scope = if request.id.is_tenant() { "" } else { request.id.as_str() };
    let nested =
        request.resource_type.path().contains('/') || request.resource_type.namespace() == "Microsoft.Resources";
    if nested {
        format!("{scope}/{kind}")
    } else {
        format!("{scope}/providers/{}/{kind}", request.resource_type.namespace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;

    const GROUPS: &str = "/resourceGroups?api-version=2021-04-01";

    fn group(fake: &mut TestFake, name: &str) {
        fake.put(&format!("/resourceGroups/{name}?api-version=2021-04-01"), json!({"location": "eastus"})).expect(201);
    }

    /// Follows the links; `between` is done to the world between two pages.
    fn names(fake: &mut TestFake, first: &str, mut between: impl FnMut(&mut TestFake)) -> Vec<String> {
        let mut names = Vec::new();
        let mut path = first.to_owned();
        loop {
            let page = fake.get(&path).expect(200);
            names.extend(page["value"].as_array().unwrap().iter().map(|g| g["name"].as_str().unwrap().to_owned()));
            match page["nextLink"].as_str() {
                Some(next) => path = next.trim_start_matches("https://127.0.0.1:1").to_owned(),
                None => return names,
            }
            between(fake);
        }
    }

    #[test]
    fn pages_follow_each_other_whatever_happens_in_between() {
        let mut fake = TestFake::new();
        for name in ["b", "d", "f", "h", "j"] {
            group(&mut fake, name);
        }
        assert_eq!(names(&mut fake, &format!("{GROUPS}&$top=2"), |_| {}), ["b", "d", "f", "h", "j"]);
        fake.world.settings_mut().page_size = 2;
        let mut once = true;
        let seen = names(&mut fake, GROUPS, |fake| {
            if std::mem::take(&mut once) {
                group(fake, "a");
                fake.delete("/resourceGroups/f?api-version=2021-04-01");
                fake.settle();
            }
        });
        assert_eq!(seen, ["b", "d", "h", "j"], "nothing twice, nothing left out");
    }

    #[test]
    fn links_and_sizes_that_are_none_are_refused() {
        let mut fake = TestFake::new();
        assert_eq!(fake.get(&format!("{GROUPS}&$skiptoken=3")).code(), "InvalidSkipToken");
        assert_eq!(fake.get(&format!("{GROUPS}&$skiptoken=")).code(), "InvalidSkipToken");
        for top in ["0", "-1", "many", ""] {
            assert_eq!(fake.get(&format!("{GROUPS}&$top={top}")).code(), "InvalidTopInQueryString", "{top}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_place_reads_as_written(count in 0usize..100_000, after in proptest::option::of(".*")) {
            let token = SkipToken { count, after };
            proptest::prop_assert_eq!(SkipToken::read(&token.write()), Some(token));
        }

        #[test]
        fn any_token_is_read_or_refused(token in ".*") {
            let _ = SkipToken::read(&token);
        }
    }
}
