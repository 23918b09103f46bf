//! What a provider can be asked to do with its resource type.

use futures::future::BoxFuture;
use serde_json::Value;

use super::{Answer, Link, Reply, Request};
use crate::world::{Resource, World};
use arm::ArmError;

/// Serves one resource type. Every method runs under the world's lock and must not block.
///
/// The defaults serve a resource that lives in the store and has no rules of its own; only PUT must be written.
pub trait Handler: Sync {
    /// How a stored resource is shown in answers, lists and Resource Graph.
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let _ = world;
        resource.json()
    }

    /// [`show`](Self::show) would show this resource as it is stored, [`Resource::json`]: a quicker way for types that are
    /// asked for all the time.
    fn shows_as_stored(&self, resource: &Resource) -> bool {
        let _ = resource;
        false
    }

    /// `GET` of one resource.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        world.resources().require(&request.id)?;
        Ok(Answer::resource(&request.id))
    }

    /// `HEAD` of one resource: 204 where it exists.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    fn head(&self, world: &mut World, request: &Request) -> Reply {
        self.get(world, request).map(|_| Answer::no_content())
    }

    /// `PUT` of one resource.
    ///
    /// # Errors
    /// Whatever the type refuses.
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let _ = world;
        Err(unserved(request))
    }

    /// What `PUT` would refuse, asked before a template deployment starts. Types that do not take part in the preflight
    /// refuse nothing here.
    ///
    /// # Errors
    /// Whatever the type refuses.
    fn preflight(&self, world: &World, request: &Request) -> Result<(), ArmError> {
        let _ = (world, request);
        Ok(())
    }

    /// `PATCH` of one resource. By default it replaces the tags.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    fn patch(&self, world: &mut World, request: &Request) -> Reply {
        let mut body = world.resources().require(&request.id)?.body.clone();
        if let Some(tags) = request.body.get("tags") {
            body["tags"] = tags.clone();
        }
        world.upsert(&request.id, request.resource_type.name, body);
        Ok(Answer::resource(&request.id))
    }

    /// `DELETE` of one resource. By default it is [removed](Self::remove) at once: 200, or 204 where it did not exist.
    ///
    /// # Errors
    /// Whatever the type refuses.
    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(found) = world.resources().get(&request.id).cloned() else { return Ok(Answer::no_content()) };
        self.remove(world, &found);
        Ok(Answer::ok())
    }

    /// `GET` of the collection in the scope `request.id`.
    ///
    /// # Errors
    /// Whatever the type refuses.
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let found = world.resources().within(&request.id, request.resource_type.name);
        Ok(Answer::resources(found.map(|resource| resource.id.clone()).collect()))
    }

    /// `POST` to the collection in the scope `request.id`.
    ///
    /// # Errors
    /// Whatever the type refuses.
    fn post(&self, world: &mut World, request: &Request) -> Reply {
        let _ = world;
        Err(unserved(request))
    }

    /// `POST …/{resource}/{action}`. `None`: the type has no such action.
    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        let _ = (world, request, action);
        None
    }

    /// Takes the resource away because its resource group goes: without asking what uses it, everything beside the
    /// store undone (addresses, machines). By default it is removed from the store.
    fn remove(&self, world: &mut World, resource: &Resource) {
        world.resources_mut().remove(&resource.id);
    }

    /// What has to happen outside the lock before the resource is taken away because its resource group goes: whatever
    /// stands behind it is brought down. An error keeps the group. By default nothing has to.
    fn before_removal(
        &self,
        world: &mut World,
        resource: &Resource,
    ) -> Option<BoxFuture<'static, Result<(), ArmError>>> {
        let _ = (world, resource);
        None
    }

    /// What the body of a PUT or PATCH may link to, and the action that the caller must have there.
    fn links(&self) -> &'static [Link] {
        &[]
    }

    /// The operation in the language of role definitions where it is not the usual one
    /// (`{type}/read`, `/write`, `/delete`, `/{action}/action`).
    fn operation(&self, request: &Request) -> Option<String> {
        let _ = request;
        None
    }
}

fn unserved(request: &Request) -> ArmError {
    ArmError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "HttpMethodNotAllowed",
        format!(
            "The HTTP method '{}' is not supported at scope '{}' for resource type '{}'.",
            request.method, request.id, request.resource_type.name
        ),
    )
    .unknown_route()
}
