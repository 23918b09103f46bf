//! Community galleries as a subscription sees them in a location: gallery, image definitions, versions.

use jiff::Timestamp;

use super::refusal::unknown_location;
use crate::catalog::{Catalog, Gallery, Image, ImageVersion};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;
use arm::{ArmError, ResourceId};

const API_VERSIONS: &[&str] =
    &["2026-03-03", "2025-03-03", "2024-03-03", "2023-07-03", "2022-08-03", "2022-03-03", "2022-01-03", "2021-07-01"];

struct Galleries;
struct Images;
struct Versions;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/communityGalleries", API_VERSIONS, &Galleries).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/communityGalleries/images", API_VERSIONS, &Images).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/communityGalleries/images/versions", API_VERSIONS, &Versions)
        .computed()
}

impl Handler for Galleries {
    fn get(&self, _: &mut World, request: &Request) -> Reply {
        Ok(Answer::json(gallery(&request.id)?.to_json(location(&request.id)?)))
    }

    fn list(&self, _: &mut World, request: &Request) -> Reply {
        // Azure has no such list: a community gallery is found by its public name alone.
        Err(ArmError::not_found("NotFound", format!("Community galleries cannot be listed at {}.", request.id)))
    }
}

impl Handler for Images {
    fn get(&self, _: &mut World, request: &Request) -> Reply {
        let gallery = gallery(&request.id)?;
        Ok(Answer::json(image(gallery, &request.id)?.to_json(location(&request.id)?, &gallery.name)))
    }

    fn list(&self, _: &mut World, request: &Request) -> Reply {
        let (gallery, location) = (gallery(&request.id)?, location(&request.id)?);
        Ok(Answer::list(gallery.images.iter().map(|image| image.to_json(location, &gallery.name)).collect()))
    }
}

impl Handler for Versions {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let (gallery, location) = (gallery(&request.id)?, location(&request.id)?);
        let image = current(world, gallery, image(gallery, &request.id)?);
        let name = request.id.name();
        let version = if name.eq_ignore_ascii_case("latest") { image.latest() } else { image.version(name) };
        let version = version.ok_or_else(|| absent("image version", name))?;
        Ok(Answer::json(version.to_json(location, &gallery.name, &image.name)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let (gallery, location) = (gallery(&request.id)?, location(&request.id)?);
        let image = current(world, gallery, image(gallery, &request.id)?);
        let versions = image.versions.iter().map(|version| version.to_json(location, &gallery.name, &image.name));
        Ok(Answer::list(versions.collect()))
    }
}

fn location(id: &ResourceId) -> Result<&'static str, ArmError> {
    let name = id.segment("locations").unwrap_or_default();
    let region = Catalog::builtin().region(name);
    let region = region.ok_or_else(|| unknown_location(name, "locations/communityGalleries"))?;
    Ok(&region.name)
}

fn gallery(id: &ResourceId) -> Result<&'static Gallery, ArmError> {
    let name = id.segment("communityGalleries").unwrap_or_default();
    Catalog::builtin().gallery(name).ok_or_else(|| absent("gallery", name))
}

fn image(gallery: &'static Gallery, id: &ResourceId) -> Result<&'static Image, ArmError> {
    let name = id.segment("images").unwrap_or_default();
    gallery.image(name).ok_or_else(|| absent("gallery image", name))
}

/// Versions that were published since the catalog was written; `world.state::<PublishedVersions>()`.
#[derive(Debug, Default)]
pub struct PublishedVersions(Vec<(String, ImageVersion)>);

impl PublishedVersions {
    /// Publishes a version, for example `202601.05.0`, of every image of the gallery.
    pub fn publish(&mut self, gallery: &str, version: &str, at: Timestamp) {
        self.0.push((gallery.to_owned(), ImageVersion { name: version.to_owned(), published: at }));
    }

    /// Those of one gallery, in the order of their publication.
    fn of<'a>(&'a self, gallery: &'a str) -> impl Iterator<Item = &'a ImageVersion> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(gallery)).map(|(_, version)| version)
    }
}

/// The image as it is now, with what was published meanwhile.
pub(super) fn current(world: &World, gallery: &Gallery, image: &Image) -> Image {
    let mut image = image.clone();
    image.versions.extend(world.peek::<PublishedVersions>().into_iter().flat_map(|all| all.of(&gallery.name)).cloned());
    image
}

fn absent(what: &str, name: &str) -> ArmError {
    ArmError::not_found("NotFound", format!("The community {what} '{name}' was not found."))
}
