//! Galleries that are shared within the tenant, as whoever uses them sees them in a location. This fake knows one
//! subscription, and so shows its own galleries that it shares.

use serde_json::{Value, json};

use super::gallery::{API_VERSIONS, GALLERY, IMAGE, shared, versions_in};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct Galleries;
struct Images;
struct Versions;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/sharedGalleries", API_VERSIONS, &Galleries).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/sharedGalleries/images", API_VERSIONS, &Images).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/sharedGalleries/images/versions", API_VERSIONS, &Versions).computed()
}

impl Handler for Galleries {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        Ok(Answer::json(shown(&request.id, gallery(world, &request.id)?, None)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let all = world.resources().of_type(GALLERY);
        let shared = all.filter(|g| g.properties()["sharingProfile"]["permissions"] == json!("Groups"));
        Ok(Answer::list(shared.map(|gallery| shown(&request.id, gallery, None)).collect()))
    }
}

impl Handler for Images {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let image = image(world, &request.id)?;
        Ok(Answer::json(shown(&request.id, image, Some(image.properties()))))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let gallery = gallery(world, &request.id)?;
        let images = world.resources().within(&gallery.id, IMAGE);
        Ok(Answer::list(images.map(|image| shown(&request.id, image, Some(image.properties()))).collect()))
    }
}

impl Handler for Versions {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let mut versions = versions(world, &request.id)?;
        let name = request.id.name();
        let found = if name.eq_ignore_ascii_case("latest") {
            versions.pop()
        } else {
            versions.into_iter().find(|version| version.name().eq_ignore_ascii_case(name))
        };
        let found = found.ok_or_else(|| absent("image version", name))?;
        Ok(Answer::json(shown_version(&request.id, found)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let versions = versions(world, &request.id)?;
        Ok(Answer::list(versions.into_iter().map(|version| shown_version(&request.id, version)).collect()))
    }
}

fn gallery<'w>(world: &'w World, id: &ResourceId) -> Result<&'w Resource, ArmError> {
    let name = id.segment("sharedGalleries").unwrap_or_default();
    shared(world, name).ok_or_else(|| absent("gallery", name))
}

fn image<'w>(world: &'w World, id: &ResourceId) -> Result<&'w Resource, ArmError> {
    let name = id.segment("images").unwrap_or_default();
    let image = gallery(world, id)?.id.child("images", name);
    world.resources().get(&image).ok_or_else(|| absent("gallery image", name))
}

fn versions<'w>(world: &'w World, id: &ResourceId) -> Result<Vec<&'w Resource>, ArmError> {
    let location = id.segment("locations").unwrap_or_default();
    Ok(versions_in(world, &image(world, id)?.id, &crate::provider::normal_location(location)))
}

/// `/SharedGalleries/{gallery}/Images/{image}/Versions/{version}`, as far as the resource reaches.
fn unique_id(resource: &Resource) -> String {
    let names = resource.id.names();
    let names: Vec<&str> = names.split('/').collect();
    let subscription = resource.id.subscription().unwrap_or_default();
    let mut out = format!("/SharedGalleries/{subscription}-{}", names[0].to_ascii_uppercase());
    for (kind, name) in ["Images", "Versions"].iter().zip(&names[1..]) {
        out.push_str(&format!("/{kind}/{name}"));
    }
    out
}

fn shown(asked: &ResourceId, resource: &Resource, properties: Option<&Value>) -> Value {
    let name = if resource.resource_type == GALLERY {
        resource.properties()["identifier"]["uniqueName"].clone()
    } else {
        json!(resource.name())
    };
    let mut out = json!({
        "name": name,
        "location": asked.segment("locations"),
        "identifier": { "uniqueId": unique_id(resource) },
        "properties": {},
    });
    for field in ["osType", "osState", "hyperVGeneration", "architecture", "identifier", "recommended", "features"] {
        if let Some(value) = properties.map(|p| &p[field]).filter(|value| !value.is_null()) {
            out["properties"][field] = value.clone();
        }
    }
    out
}

fn shown_version(asked: &ResourceId, version: &Resource) -> Value {
    let mut out = shown(asked, version, None);
    let profile = &version.properties()["publishingProfile"];
    out["properties"] = json!({
        "publishedDate": profile["publishedDate"],
        "excludeFromLatest": profile["excludeFromLatest"],
        "storageProfile": { "osDiskImage": { "diskSizeGB": super::disk::IMAGE_DISK_GB, "hostCaching": "None" } },
    });
    out
}

fn absent(what: &str, name: &str) -> ArmError {
    ArmError::not_found("NotFound", format!("The shared {what} '{name}' was not found."))
}
