//! From a path to what it addresses.

use http::Method;

use crate::provider::{Registry, ResourceType};
use arm::{ArmError, ResourceId, blocks, decoded, type_of};

/// What a path addresses.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// One resource.
    Resource(ResourceId),
    /// All resources of a type in a scope.
    Collection(ResourceId),
    /// An action on a resource.
    Action(ResourceId, String),
    /// State of a long-running operation (`operations`) or its result (`operationResults`).
    Operation { name: String, result: bool },
}

/// A path taken apart.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// What it addresses.
    pub(super) target: Target,
    /// The type, as registered; as written in the path where it is not.
    pub(super) type_name: String,
    /// Who serves it; `None` for the status of operations, and for types that nobody serves.
    pub(super) resource_type: Option<&'static ResourceType>,
}

impl Route {
    /// Takes a path apart; the method tells a collection from an action.
    ///
    /// # Errors
    /// 404 as ARM words it, where the path is no id.
    pub(super) fn parse(method: &Method, path: &str, registry: &Registry) -> Result<Self, ArmError> {
        let nothing = || {
            ArmError::not_found("InvalidResourceId", format!("The request path '{path}' is not a resource id."))
                .unknown_route()
        };
        let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let blocks = blocks(&segments);
        let last = blocks.last().expect("there is a first block");
        let full = type_of(last);

        let Some(kind) = last.dangling else {
            let id = ResourceId::parse(&format!("/{}", segments.join("/"))).map_err(|_| nothing())?;
            if id.is_tenant() {
                return Err(nothing());
            }
            let path = full.split_once('/').map(|(_, p)| p.to_ascii_lowercase()).unwrap_or_default();
            if matches!(path.as_str(), "locations/operations" | "locations/operationresults") {
                let name = id.name().to_owned();
                let result = path.ends_with("results");
                return Ok(Self { target: Target::Operation { name, result }, type_name: full, resource_type: None });
            }
            return Ok(Self::resolved(Target::Resource(id), full, registry));
        };

        // The scope: everything before the last type; without the namespace where no pair of it precedes the type.
        let cut = if last.pairs.is_empty() && last.namespace.is_some() { 3 } else { 1 };
        let scope =
            ResourceId::parse(&format!("/{}", segments[..segments.len() - cut].join("/"))).map_err(|_| nothing())?;
        if registry.find(&full).is_none() && method == Method::POST && !last.pairs.is_empty() {
            let on = scope.resource_type();
            return Ok(Self::resolved(Target::Action(scope, kind.to_owned()), on, registry));
        }
        Ok(Self::resolved(Target::Collection(scope), full, registry))
    }

    fn resolved(target: Target, written: String, registry: &Registry) -> Self {
        let resource_type = registry.find(&written);
        let type_name = resource_type.map_or(written, |t| t.name.to_owned());
        Self { target, type_name, resource_type }
    }

    /// The operation in the language of role definitions.
    pub(super) fn operation(&self, method: &Method) -> String {
        let verb = match (&self.target, method.as_str()) {
            (Target::Action(_, action), _) => return format!("{}/{action}/action", self.type_name),
            (_, "GET" | "HEAD") => "read",
            (_, "PUT" | "PATCH") => "write",
            (_, "DELETE") => "delete",
            _ => "action",
        };
        format!("{}/{verb}", self.type_name)
    }

    /// Full id of the resource concerned, of the scope for a list.
    pub(super) fn resource_id(&self) -> String {
        match &self.target {
            Target::Resource(id) | Target::Collection(id) | Target::Action(id, _) => id.to_string(),
            Target::Operation { .. } => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(method: Method, path: &str) -> Route {
        Route::parse(&method, path, Registry::get()).unwrap()
    }

    #[test]
    fn groups_lists_and_operations() {
        let group = route(Method::PUT, "/SUBSCRIPTIONS/s/ResourceGroups/RG");
        assert_eq!(group.operation(&Method::PUT), "Microsoft.Resources/subscriptions/resourceGroups/write");
        assert!(matches!(group.target, Target::Resource(id) if id.name() == "RG"));
        let groups = route(Method::GET, "/subscriptions/s/resourceGroups");
        assert!(matches!(groups.target, Target::Collection(id) if id.name() == "s"));
        let list = route(Method::GET, "/subscriptions/s/resourceGroups/g/providers/Microsoft.Foo/bars");
        assert!(matches!(list.target, Target::Collection(id) if id.name() == "g"));
        let status = route(Method::GET, "/subscriptions/s/providers/Microsoft.Foo/locations/eastus/operations/1");
        assert!(matches!(status.target, Target::Operation { result: false, .. }));
    }

    #[test]
    fn actions_are_posts_on_resources() {
        let post = route(Method::POST, "/subscriptions/s/resourceGroups/g/providers/Microsoft.Foo/bars/b/start");
        assert_eq!(post.operation(&Method::POST), "Microsoft.Foo/bars/start/action");
        let register = route(Method::POST, "/subscriptions/s/providers/Microsoft.Compute/register");
        assert!(
            matches!(register.target, Target::Action(id, action) if id.name() == "Microsoft.Compute" && action == "register")
        );
    }
}
