//! `Microsoft.Compute/galleries`: the subscription's own galleries, their image definitions and versions.

use std::time::Duration;

use serde_json::{Value, json};

use super::refusal::{change_not_allowed, image_not_found, invalid, missing};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of galleries.
pub(super) const GALLERY: &str = "Microsoft.Compute/galleries";
/// The type of image definitions.
pub(super) const IMAGE: &str = "Microsoft.Compute/galleries/images";
/// The type of image versions.
pub(super) const VERSION: &str = "Microsoft.Compute/galleries/images/versions";

pub(super) const API_VERSIONS: &[&str] = &[
    "2026-03-03",
    "2025-03-03",
    "2024-03-03",
    "2023-07-03",
    "2022-08-03",
    "2022-03-03",
    "2022-01-03",
    "2021-10-01",
    "2021-07-01",
    "2020-09-30",
    "2019-12-01",
];

/// How long Azure works on each, unless the settings say otherwise. A version takes it many minutes.
const TIME: Duration = Duration::from_millis(100);

struct Galleries;
struct Images;
struct Versions;

inventory::submit! { ResourceType::new(GALLERY, API_VERSIONS, &Galleries).tracked() }
inventory::submit! { ResourceType::new(IMAGE, API_VERSIONS, &Images).tracked() }
inventory::submit! { ResourceType::new(VERSION, API_VERSIONS, &Versions).tracked() }

impl Handler for Galleries {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let name = request.id.name();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.len() > 80 || !name.chars().all(word) || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(invalid(
                "galleryName",
                r"The entity name 'galleryName' is invalid according to its validation rule: ^[^_\W][\w._]{0,79}(?<![-.])$.",
            ));
        }
        let mut body = request.resource_body();
        body["properties"]["identifier"] = json!({ "uniqueName": unique_name(world, name) });
        write(world, request, body)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        delete(world, request)
    }
}

impl Handler for Images {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let mut body = request.resource_body();
        let properties = &body["properties"];
        for field in ["osType", "osState", "identifier"] {
            if properties[field].is_null() {
                return Err(missing(&format!("galleryImage.properties.{field}")));
            }
        }
        for field in ["publisher", "offer", "sku"] {
            if !properties["identifier"][field].is_string() {
                return Err(missing(&format!("galleryImage.properties.identifier.{field}")));
            }
        }
        if let Some(old) = world.resources().get(&request.id) {
            for field in ["osType", "osState", "hyperVGeneration", "architecture", "identifier"] {
                if !properties[field].is_null() && properties[field] != old.properties()[field] {
                    return Err(change_not_allowed(&format!("galleryImage.properties.{field}")));
                }
            }
        }
        for (field, default) in [("hyperVGeneration", "V1"), ("architecture", "x64")] {
            if body["properties"][field].is_null() {
                body["properties"][field] = json!(default);
            }
        }
        write(world, request, body)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        delete(world, request)
    }
}

impl Handler for Versions {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        world.resources().require(&request.id)?;
        let expands = request.query.get("$expand").is_some_and(|e| e.eq_ignore_ascii_case("ReplicationStatus"));
        if !expands {
            return Ok(Answer::resource(&request.id));
        }
        let found = world.resources().require(&request.id)?;
        let mut shown = found.json();
        let regions: Vec<Value> = regions(found)
            .map(|region| json!({ "region": region, "state": "Completed", "progress": 100, "details": "" }))
            .collect();
        shown["properties"]["replicationStatus"] = json!({ "aggregatedState": "Completed", "summary": regions });
        Ok(Answer::json(shown))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let name = request.id.name();
        let numbers: Vec<_> = name.split('.').map(str::parse::<i32>).collect();
        if numbers.len() != 3 || numbers.iter().any(Result::is_err) {
            return Err(invalid(
                "galleryImageVersionName",
                format!(
                    "The value '{name}' of parameter 'galleryImageVersionName' is invalid. It must have the form \
                     MajorVersion.MinorVersion.Patch, each a 32-bit integer."
                ),
            ));
        }
        let mut body = request.resource_body();
        if body["properties"]["storageProfile"].is_null() {
            return Err(missing("galleryImageVersion.properties.storageProfile"));
        }
        let old = world.resources().get(&request.id).cloned();
        let published = old.map(|old| old.properties()["publishingProfile"]["publishedDate"].clone());
        let published = published.unwrap_or_else(|| json!(world.now().to_string()));
        let location = request.location();
        let profile = &mut body["properties"]["publishingProfile"];
        if !profile.is_object() {
            *profile = json!({});
        }
        if profile["targetRegions"].as_array().is_none_or(Vec::is_empty) {
            profile["targetRegions"] = json!([{ "name": location }]);
        }
        for region in profile["targetRegions"].as_array_mut().into_iter().flatten() {
            for (field, default) in [("regionalReplicaCount", json!(1)), ("storageAccountType", json!("Standard_LRS"))]
            {
                if region[field].is_null() {
                    region[field] = default;
                }
            }
        }
        if profile["excludeFromLatest"].is_null() {
            profile["excludeFromLatest"] = json!(false);
        }
        profile["publishedDate"] = published;
        write(world, request, body)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        delete(world, request)
    }
}

fn write(world: &mut World, request: &Request, mut body: Value) -> Reply {
    let new = !world.resources().contains(&request.id);
    body["properties"]["provisioningState"] = json!(if new { "Creating" } else { "Updating" });
    world.upsert(&request.id, request.resource_type.name, body);
    let duration = world.settings().duration(&format!("{}/write", request.resource_type.name), TIME);
    Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
}

/// Galleries and definitions must be empty.
fn delete(world: &mut World, request: &Request) -> Reply {
    if !world.resources().contains(&request.id) {
        return Ok(Answer::no_content());
    }
    if !world.resources().below(&request.id).is_empty() {
        return Err(ArmError::conflict(
            "CannotDeleteResource",
            "Can not delete resource before nested resources are deleted.",
        ));
    }
    let id = request.id.clone();
    world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
    let duration = world.settings().duration(&format!("{}/delete", request.resource_type.name), TIME);
    Ok(Answer::accepted().after(duration, move |world| {
        world.resources_mut().remove(&id);
        Ok(())
    }))
}

/// `<subscription>-<GALLERY>`, the name by which others of the tenant know a gallery.
pub(super) fn unique_name(world: &World, gallery: &str) -> String {
    format!("{}-{}", world.subscription(), gallery.to_ascii_uppercase())
}

/// Where a version can be used.
fn regions(version: &Resource) -> impl Iterator<Item = String> {
    let regions = version.properties()["publishingProfile"]["targetRegions"].as_array();
    regions.into_iter().flatten().filter_map(|region| {
        let name = region["name"].as_str()?;
        Some(crate::provider::normal_location(name))
    })
}

/// The versions of a definition that can be used in a region, the newest last.
pub(super) fn versions_in<'w>(world: &'w World, image: &ResourceId, location: &str) -> Vec<&'w Resource> {
    let number =
        |version: &Resource| -> Vec<i32> { version.name().split('.').map(|n| n.parse().unwrap_or(0)).collect() };
    let all = world.resources().within(image, VERSION);
    let mut found: Vec<&Resource> =
        all.filter(|v| v.provisioning_state() == "Succeeded" && regions(v).any(|region| region == location)).collect();
    found.sort_by_key(|version| number(version));
    found
}

/// The version that an id of a definition or of a version means in a region; a definition means its newest.
fn version_of<'w>(world: &'w World, id: &ResourceId, location: &str) -> Option<&'w Resource> {
    let (image, wanted) = if id.is_type(VERSION) { (id.parent()?, Some(id.name())) } else { (id.clone(), None) };
    let mut versions = versions_in(world, &image, location);
    match wanted.filter(|name| !name.eq_ignore_ascii_case("latest")) {
        Some(name) => versions.into_iter().find(|version| version.name().eq_ignore_ascii_case(name)),
        None => {
            versions.retain(|v| v.properties()["publishingProfile"]["excludeFromLatest"] != json!(true));
            versions.pop()
        }
    }
}

/// An image that a machine names by its id: of this subscription's galleries it must exist in the region. Images of other
/// subscriptions, and managed images, are not looked at.
pub(super) fn check_image(world: &World, id: &ResourceId, location: &str) -> Result<(), ArmError> {
    let ours = id.subscription().is_some_and(|s| s.eq_ignore_ascii_case(&world.subscription().to_string()));
    if !ours || !(id.is_type(IMAGE) || id.is_type(VERSION)) || version_of(world, id, location).is_some() {
        return Ok(());
    }
    Err(image_not_found(id.as_str(), location))
}

/// `/SharedGalleries/{gallery}/Images/{image}[/Versions/{version}]`: of this subscription's galleries it must exist in the
/// region; others are not looked at.
pub(super) fn check_shared(world: &World, text: &str, location: &str) -> Result<(), ArmError> {
    let malformed = || {
        invalid(
            "imageReference.sharedGalleryImageId",
            format!("The value '{text}' of parameter 'imageReference.sharedGalleryImageId' is invalid."),
        )
    };
    let segments: Vec<&str> = text.trim_matches('/').split('/').collect();
    let (gallery, image, version) = match segments[..] {
        [g, gallery, i, image] if is(g, "SharedGalleries") && is(i, "Images") => (gallery, image, "latest"),
        [g, gallery, i, image, v, version]
            if is(g, "SharedGalleries") && is(i, "Images") && is(v, "Versions") && !version.is_empty() =>
        {
            (gallery, image, version)
        }
        _ => return Err(malformed()),
    };
    let Some(own) = shared(world, gallery) else {
        let foreign = !gallery.to_ascii_lowercase().starts_with(&world.subscription().to_string());
        return if foreign { Ok(()) } else { Err(image_not_found(text, location)) };
    };
    let id = own.id.child("images", image).child("versions", version);
    version_of(world, &id, location).map(|_| ()).ok_or_else(|| image_not_found(text, location))
}

fn is(segment: &str, wanted: &str) -> bool {
    segment.eq_ignore_ascii_case(wanted)
}

/// A gallery of the subscription that is shared, by its unique name.
pub(super) fn shared<'w>(world: &'w World, unique_name: &str) -> Option<&'w Resource> {
    let mut galleries = world.resources().of_type(GALLERY);
    galleries.find(|gallery| {
        let named = gallery.properties()["identifier"]["uniqueName"].as_str();
        named.is_some_and(|name| name.eq_ignore_ascii_case(unique_name))
            && gallery.properties()["sharingProfile"]["permissions"] == json!("Groups")
    })
}
