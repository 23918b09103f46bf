//! Resource ids: `/subscriptions/…/resourceGroups/…/providers/Microsoft.Network/virtualNetworks/v/subnets/s`.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The full id of something in Azure Resource Manager: a resource, a resource group, a subscription, an extension
/// resource on any of these, or the tenant itself (`/`).
///
/// Azure compares ids without regard to case and shows them in the case in which they were written first; so does
/// this type: [`Eq`], [`Ord`] and [`Hash`] fold ASCII case, [`Display`](fmt::Display) keeps it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ResourceId {
    text: String,
    folded: String,
}

/// Why a text is not a resource id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a resource id: {reason}")]
pub struct InvalidResourceId {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A run of `type/name` pairs below one namespace (or without a namespace, at the start of an id).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// `Microsoft.Network`; `None` for `/subscriptions/…/resourceGroups/…`.
    pub namespace: Option<&'a str>,
    /// The complete pairs.
    pub pairs: Vec<(&'a str, &'a str)>,
    /// A last type without a name: a collection or an action.
    pub dangling: Option<&'a str>,
}

/// Splits the segments of a path at its `providers` segments.
pub fn blocks<'a>(segments: &[&'a str]) -> Vec<Block<'a>> {
    let mut blocks = vec![Block { namespace: None, pairs: Vec::new(), dangling: None }];
    let mut at = 0;
    while at < segments.len() {
        let here = segments[at];
        // `/subscriptions/s/providers/Microsoft.X` alone is the registration of a namespace, an ordinary pair.
        // `/providers/Microsoft.Features/providers/Microsoft.X/features/f` names a namespace as a resource would be named.
        let named = blocks.last().is_some_and(|block| {
            block.pairs.is_empty() && block.namespace.is_some_and(|n| n.eq_ignore_ascii_case("Microsoft.Features"))
        });
        if here.eq_ignore_ascii_case("providers") && at + 2 < segments.len() && !named {
            blocks.push(Block { namespace: Some(segments[at + 1]), pairs: Vec::new(), dangling: None });
            at += 2;
            // …unless what follows is an action on that registration.
            if at + 1 == segments.len()
                && ["register", "unregister"].iter().any(|a| a.eq_ignore_ascii_case(segments[at]))
            {
                blocks.pop();
                let namespace = segments[at - 1];
                let block = blocks.last_mut().expect("there is a first block");
                block.pairs.push((here, namespace));
                block.dangling = Some(segments[at]);
                at += 1;
            }
            continue;
        }
        let block = blocks.last_mut().expect("there is a first block");
        match segments.get(at + 1) {
            Some(name) => block.pairs.push((here, name)),
            None => block.dangling = Some(here),
        }
        at += 2;
    }
    blocks
}

/// `Microsoft.Network/virtualNetworks/subnets` out of its parts.
pub fn type_of(block: &Block<'_>) -> String {
    let mut out = block.namespace.unwrap_or("Microsoft.Resources").to_owned();
    for (kind, _) in &block.pairs {
        out.push('/');
        out.push_str(kind);
    }
    if let Some(kind) = block.dangling {
        out.push('/');
        out.push_str(kind);
    }
    out
}

impl ResourceId {
    /// The tenant itself, `/`.
    pub fn tenant() -> Self {
        Self::trusted("/".to_owned())
    }

    /// `/subscriptions/{subscription}`.
    pub fn subscription_of(subscription: impl fmt::Display) -> Self {
        Self::trusted(format!("/subscriptions/{subscription}"))
    }

    /// `/subscriptions/{subscription}/resourceGroups/{name}`.
    pub fn group_of(subscription: impl fmt::Display, name: &str) -> Self {
        Self::trusted(format!("/subscriptions/{subscription}/resourceGroups/{name}"))
    }

    /// Reads an id.
    ///
    /// # Errors
    /// Fails where the text does not start with `/`, has an empty segment, or ends in a type without a name.
    pub fn parse(text: &str) -> Result<Self, InvalidResourceId> {
        let fail = |reason| Err(InvalidResourceId { text: text.to_owned(), reason });
        let Some(rest) = text.strip_prefix('/') else { return fail("it does not start with '/'") };
        if rest.is_empty() {
            return Ok(Self::tenant());
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let segments: Vec<&str> = rest.split('/').collect();
        if segments.iter().any(|s| s.trim().is_empty()) {
            return fail("it has an empty segment");
        }
        let blocks = blocks(&segments);
        if blocks.iter().any(|b| b.dangling.is_some()) {
            return fail("a resource type in it has no name after it");
        }
        if blocks.iter().skip(1).any(|b| b.pairs.is_empty()) {
            return fail("a provider namespace in it has no resource type after it");
        }
        if let Some((kind, _)) = blocks[0].pairs.first()
            && !["subscriptions", "tenants", "providers"].iter().any(|k| k.eq_ignore_ascii_case(kind))
        {
            return fail("it starts neither with '/subscriptions/' nor with '/providers/'");
        }
        Ok(Self::trusted(format!("/{rest}")))
    }

    fn trusted(text: String) -> Self {
        let folded = text.to_ascii_lowercase();
        Self { text, folded }
    }

    /// The id as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id in lower case: equal ids have equal folded forms.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// It is the tenant, `/`.
    pub fn is_tenant(&self) -> bool {
        self.text == "/"
    }

    /// Where the namespace begins in an id like most: of a resource of one provider, below a subscription, a group or
    /// nothing. Such ids are taken apart without a list of their segments, which most requests would spend most on;
    /// `None` for all others, which [`blocks`] reads.
    fn namespace_at(&self) -> Option<usize> {
        const MARK: &str = "/providers/";
        let at = self.folded.find(MARK)?;
        let (before, rest) = (&self.folded[..at], &self.folded[at + MARK.len()..]);
        let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
        let whole_pairs = slashes(before) % 2 == 0 && slashes(rest) >= 2 && slashes(rest) % 2 == 0;
        let plain = whole_pairs && !rest.contains(MARK) && !rest.starts_with("microsoft.features/");
        plain.then_some(at + MARK.len())
    }

    /// The types in an id that [`namespace_at`](Self::namespace_at) knows, its namespace first.
    fn types(&self, namespace_at: usize) -> impl Iterator<Item = &str> {
        let mut segments = self.text[namespace_at..].split('/');
        segments.next().into_iter().chain(segments.step_by(2))
    }

    /// The name after a type that begins at a place of the id, and where it ends. `kind`: `/subscriptions/`.
    fn named(&self, from: usize, kind: &str) -> Option<(&str, usize)> {
        let begins = from + kind.len();
        let rest = self.folded[from..].strip_prefix(kind)?;
        let ends = begins + rest.find('/').unwrap_or(rest.len());
        Some((&self.text[begins..ends], ends))
    }

    fn segments(&self) -> Vec<&str> {
        self.text.split('/').filter(|s| !s.is_empty()).collect()
    }

    fn last_block(&self) -> Block<'_> {
        blocks(&self.segments()).pop().expect("there is a first block")
    }

    /// The name that follows the (first) segment `kind`: `segment("virtualNetworks")`, `segment("locations")`.
    pub fn segment(&self, kind: &str) -> Option<&str> {
        let segments = self.segments();
        blocks(&segments)
            .into_iter()
            .flat_map(|b| b.pairs)
            .find(|(k, _)| k.eq_ignore_ascii_case(kind))
            .map(|(_, name)| name)
    }

    /// Id of the subscription.
    pub fn subscription(&self) -> Option<&str> {
        match self.named(0, "/subscriptions/") {
            Some((name, _)) => Some(name),
            None => self.segment("subscriptions"),
        }
    }

    /// Name of the resource group.
    pub fn resource_group(&self) -> Option<&str> {
        let below = self.named(0, "/subscriptions/").map(|(_, ends)| ends);
        match below.and_then(|from| self.named(from, "/resourcegroups/")) {
            Some((name, _)) => Some(name),
            None => self.segment("resourceGroups"),
        }
    }

    /// Id of the resource group.
    pub fn group(&self) -> Option<ResourceId> {
        Some(Self::group_of(self.subscription()?, self.resource_group()?))
    }

    /// Provider namespace, `Microsoft.Network`; of an extension resource, its own and not that of its scope;
    /// `Microsoft.Resources` for subscriptions and resource groups.
    pub fn namespace(&self) -> String {
        match self.namespace_at().and_then(|at| self.types(at).next()) {
            Some(namespace) => namespace.to_owned(),
            None => self.last_block().namespace.unwrap_or("Microsoft.Resources").to_owned(),
        }
    }

    /// Full type, `Microsoft.Network/virtualNetworks/subnets`; `Microsoft.Resources/subscriptions/resourceGroups` for
    /// a resource group. In the case in which the id was written.
    pub fn resource_type(&self) -> String {
        let Some(at) = self.namespace_at() else { return type_of(&self.last_block()) };
        let mut out = String::with_capacity(self.text.len() - at);
        for (nth, segment) in self.types(at).enumerate() {
            if nth > 0 {
                out.push('/');
            }
            out.push_str(segment);
        }
        out
    }

    /// The id is of the given type.
    pub fn is_type(&self, resource_type: &str) -> bool {
        let Some(at) = self.namespace_at() else {
            return type_of(&self.last_block()).eq_ignore_ascii_case(resource_type);
        };
        let mut wanted = resource_type.split('/');
        let all = self.types(at).all(|segment| wanted.next().is_some_and(|w| w.eq_ignore_ascii_case(segment)));
        all && wanted.next().is_none()
    }

    /// Last segment.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// Names from the outermost type to the innermost: `v/s` for a subnet `s` of `v`.
    pub fn names(&self) -> String {
        self.last_block().pairs.iter().map(|(_, n)| *n).collect::<Vec<_>>().join("/")
    }

    /// What it lives in: the virtual network of a subnet, the group of a top-level resource, the resource that an
    /// extension resource extends, the subscription of a group, the tenant of a subscription.
    pub fn parent(&self) -> Option<ResourceId> {
        let Some(at) = self.namespace_at() else { return self.parent_of_blocks() };
        let kept = match self.types(at).nth(2) {
            None => at - "/providers/".len(),
            Some(_) => self.text.rmatch_indices('/').nth(1).map_or(0, |(at, _)| at),
        };
        Some(if kept == 0 { Self::tenant() } else { Self::trusted(self.text[..kept].to_owned()) })
    }

    fn parent_of_blocks(&self) -> Option<ResourceId> {
        let segments = self.segments();
        if segments.is_empty() {
            return None;
        }
        let cut = if self.last_block().pairs.len() == 1 && self.last_block().namespace.is_some() { 4 } else { 2 };
        let kept = segments.len() - cut;
        if kept == 0 { Some(Self::tenant()) } else { Some(Self::trusted(format!("/{}", segments[..kept].join("/")))) }
    }

    /// Id of a child: `vnet.child("subnets", "s")`.
    pub fn child(&self, kind: &str, name: &str) -> ResourceId {
        let base = if self.is_tenant() { "" } else { &self.text };
        Self::trusted(format!("{base}/{kind}/{name}"))
    }

    /// Id of a resource of a provider in this scope:
    /// `group.resource("Microsoft.Network/virtualNetworks", "v")`.
    pub fn resource(&self, resource_type: &str, name: &str) -> ResourceId {
        let base = if self.is_tenant() { "" } else { &self.text };
        Self::trusted(format!("{base}/providers/{resource_type}/{name}"))
    }

    /// It is `scope`, or lies somewhere below it.
    pub fn is_within(&self, scope: &ResourceId) -> bool {
        lies_within(&self.folded, &scope.folded)
    }
}

/// Whether an id, as a request or a resource has it, is `scope` or lies somewhere below it: by whole segments, letter case
/// aside. Either may also end where no [`ResourceId`] does, at a collection or at the namespace of a provider.
pub fn lies_within(id: &str, scope: &str) -> bool {
    let scope = scope.strip_suffix('/').unwrap_or(scope);
    let Some((head, rest)) = id.split_at_checked(scope.len()) else { return false };
    !id.is_empty() && head.eq_ignore_ascii_case(scope) && (rest.is_empty() || rest.starts_with('/'))
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceId({})", self.text)
    }
}

impl FromStr for ResourceId {
    type Err = InvalidResourceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ResourceId {
    type Error = InvalidResourceId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SUBNET: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/Net-RG/providers/Microsoft.Network/virtualNetworks/V1/subnets/nodes";

    #[test]
    fn reads_a_nested_resource() {
        let id = ResourceId::parse(SUBNET).unwrap();
        assert_eq!(id.subscription(), Some("11111111-1111-1111-1111-111111111111"));
        assert_eq!(id.resource_group(), Some("Net-RG"));
        assert_eq!(id.namespace(), "Microsoft.Network");
        assert_eq!(id.resource_type(), "Microsoft.Network/virtualNetworks/subnets");
        assert_eq!(id.name(), "nodes");
        assert_eq!(id.names(), "V1/nodes");
        let vnet = id.parent().unwrap();
        assert_eq!(vnet.resource_type(), "Microsoft.Network/virtualNetworks");
        let group = vnet.parent().unwrap();
        assert_eq!(group, id.group().unwrap());
        assert_eq!(group.resource_type(), "Microsoft.Resources/subscriptions/resourceGroups");
        let subscription = group.parent().unwrap();
        assert_eq!(subscription.resource_type(), "Microsoft.Resources/subscriptions");
        assert_eq!(subscription.parent().unwrap(), ResourceId::tenant());
        assert_eq!(ResourceId::tenant().parent(), None);
    }

    #[test]
    fn reads_extension_and_tenant_resources() {
        let id = ResourceId::parse(&format!("{SUBNET}/providers/Microsoft.Authorization/roleAssignments/r")).unwrap();
        assert_eq!(id.resource_type(), "Microsoft.Authorization/roleAssignments");
        assert_eq!(id.parent().unwrap(), ResourceId::parse(SUBNET).unwrap());
        let tenant = ResourceId::parse("/providers/Microsoft.Authorization/roleDefinitions/d").unwrap();
        assert_eq!(tenant.parent().unwrap(), ResourceId::tenant());
        let registration = ResourceId::parse("/subscriptions/s/providers/Microsoft.Network").unwrap();
        assert_eq!(registration.resource_type(), "Microsoft.Resources/subscriptions/providers");
    }

    #[test]
    fn within_is_by_segment_and_not_by_letter() {
        let group = ResourceId::group_of("s", "rg");
        assert!(ResourceId::group_of("S", "RG").is_within(&group));
        assert!(!ResourceId::group_of("s", "rg2").is_within(&group));
        assert!(group.resource("Microsoft.Network/virtualNetworks", "v").is_within(&group));
        assert!(group.is_within(&ResourceId::tenant()));
        assert!(ResourceId::tenant().is_within(&ResourceId::tenant()));
        assert!(!ResourceId::tenant().is_within(&group));
    }

    #[test]
    fn within_is_told_of_what_is_no_resource_too() {
        let network = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network";
        assert!(lies_within(&format!("{network}/virtualNetworks"), &network.to_uppercase()));
        assert!(lies_within(network, &format!("{network}/")));
        assert!(!lies_within(&format!("{network}Function/x/y"), network));
        assert!(!lies_within("", "/"), "a request that is about nothing");
        assert!(!lies_within("/subscriptions/ü", "/subscriptions/\u{1}"), "a cut within a letter");
    }

    #[test]
    fn refuses_what_is_no_id() {
        for bad in ["", "subscriptions/s", "/subscriptions", "/subscriptions//resourceGroups/g", "/foo/bar"] {
            assert!(ResourceId::parse(bad).is_err(), "{bad}");
        }
        assert!(
            ResourceId::parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks").is_err()
        );
    }

    fn name() -> impl Strategy<Value = String> {
        "[A-Za-z0-9][A-Za-z0-9._()-]{0,20}"
    }

    fn any_id() -> impl Strategy<Value = String> {
        let pairs = proptest::collection::vec((name(), name()), 1..4);
        (name(), proptest::option::of(name()), name(), pairs).prop_map(|(sub, group, namespace, pairs)| {
            let mut id = format!("/subscriptions/{sub}");
            if let Some(group) = group {
                id.push_str(&format!("/resourceGroups/{group}"));
            }
            id.push_str(&format!("/providers/Microsoft.{namespace}"));
            for (kind, name) in pairs {
                // A generated type named `providers` would open a new block.
                id.push_str(&format!("/t{kind}/{name}"));
            }
            id
        })
    }

    /// Also those that have a meaning of their own, at places where they have none.
    fn segment() -> impl Strategy<Value = &'static str> {
        proptest::sample::select(vec![
            "providers",
            "Providers",
            "subscriptions",
            "Subscriptions",
            "resourceGroups",
            "resourcegroups",
            "Microsoft.Features",
            "Microsoft.Network",
            "register",
            "a",
            "B",
        ])
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back_equal(text in any_id()) {
            let id = ResourceId::parse(&text).unwrap();
            prop_assert_eq!(id.to_string(), text.clone());
            prop_assert_eq!(ResourceId::parse(&id.to_string()).unwrap(), id);
        }

        #[test]
        fn case_does_not_matter(text in any_id()) {
            let id = ResourceId::parse(&text).unwrap();
            let upper = ResourceId::parse(&text.to_ascii_uppercase()).unwrap();
            prop_assert_eq!(id.cmp(&upper), Ordering::Equal);
            prop_assert_eq!(&id, &upper);
            let mut set = std::collections::HashSet::new();
            set.insert(id);
            prop_assert!(set.contains(&upper));
        }

        #[test]
        fn a_child_has_its_parent(text in any_id(), kind in "[a-z]{1,8}", child in name()) {
            prop_assume!(kind != "providers");
            let id = ResourceId::parse(&text).unwrap();
            let child = id.child(&kind, &child);
            prop_assert_eq!(child.parent().unwrap(), id.clone());
            prop_assert!(child.is_within(&id));
            prop_assert!(!id.is_within(&child));
        }

        #[test]
        fn ids_like_most_are_read_as_all_others(segments in proptest::collection::vec(segment(), 0..12)) {
            let Ok(id) = ResourceId::parse(&format!("/{}", segments.join("/"))) else { return Ok(()) };
            let segments = id.segments();
            let first = |kind: &str| {
                let pairs = blocks(&segments).into_iter().flat_map(|block| block.pairs);
                pairs.into_iter().find(|(k, _)| k.eq_ignore_ascii_case(kind)).map(|(_, name)| name)
            };
            prop_assert_eq!(id.subscription(), first("subscriptions"));
            prop_assert_eq!(id.resource_group(), first("resourceGroups"));
            prop_assert_eq!(id.resource_type(), type_of(&id.last_block()));
            prop_assert_eq!(id.namespace(), id.last_block().namespace.unwrap_or("Microsoft.Resources"));
            prop_assert_eq!(id.parent(), id.parent_of_blocks());
            prop_assert!(id.is_type(&id.resource_type().to_uppercase()));
            let longer = format!("{}/x", id.resource_type());
            prop_assert!(!id.is_type(&longer));
            let b = "Microsoft.Network/b";
            prop_assert_eq!(id.is_type(b), type_of(&id.last_block()).eq_ignore_ascii_case(b));
        }

        #[test]
        fn parents_end_at_the_tenant(text in any_id()) {
            let mut id = ResourceId::parse(&text).unwrap();
            for _ in 0..20 {
                match id.parent() {
                    Some(parent) => {
                        prop_assert!(id.is_within(&parent));
                        id = parent;
                    }
                    None => break,
                }
            }
            prop_assert!(id.is_tenant());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = ResourceId::parse(&text);
        }
    }
}
