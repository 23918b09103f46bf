//! What the body of a virtual machine must say for itself, whatever else there is in the world.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::refusal::{image_not_found, invalid, missing, not_modelled};
use super::{community_gallery, gallery};
use crate::catalog::{Catalog, Image};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Longest customData that Azure takes: 64 KiB less one byte, in base64.
const MAX_CUSTOM_DATA: usize = 87_380;
const HOST_NAME_FORBIDDEN: &str = r#"` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \ | ; : ' " , < > / ?"#;

/// What a machine can be part of in Azure, and not here.
const UNMODELLED: [(&str, &str); 6] = [
    ("availabilitySet", "Machines in availability sets"),
    ("proximityPlacementGroup", "Machines in proximity placement groups"),
    ("virtualMachineScaleSet", "Machines in flexible scale sets"),
    ("host", "Machines on dedicated hosts"),
    ("hostGroup", "Machines in groups of dedicated hosts"),
    ("capacityReservation", "Machines in reserved capacity"),
];

/// Holds the body of a new machine against the rules that do not depend on its size.
pub(super) fn check(world: &World, id: &ResourceId, body: &Value, location: &str) -> Result<(), ArmError> {
    name(id.name())?;
    hardware(body)?;
    os_profile(body)?;
    storage(world, body, location)?;
    let properties = &body["properties"];
    // A spot machine in an availability set is refused as Azure does.
    let spot = super::spot::is_spot(body);
    let asked = |field: &str| properties[field].is_object() && (!spot || field != "availabilitySet");
    UNMODELLED.iter().find(|(field, _)| asked(field)).map_or(Ok(()), |(_, what)| Err(not_modelled(what)))
}

/// `properties.hardwareProfile.vmSize`.
pub(super) fn size(body: &Value) -> &str {
    body.pointer("/properties/hardwareProfile/vmSize").and_then(Value::as_str).unwrap_or_default()
}

/// `properties.osProfile.customData`.
pub(super) fn custom_data(body: &Value) -> Option<&str> {
    body.pointer("/properties/osProfile/customData").and_then(Value::as_str)
}

fn name(name: &str) -> Result<(), ArmError> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let sound = name.len() <= 80
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| word(c) || c == '-' || c == '.')
        && !name.ends_with(['-', '.']);
    if sound {
        return Ok(());
    }
    Err(invalid(
        "vmName",
        r"The entity name 'vmName' is invalid according to its validation rule: ^[^_\W][\w-._]{0,79}(?<![-.])$.",
    ))
}

fn hardware(body: &Value) -> Result<(), ArmError> {
    if body["properties"]["hardwareProfile"].is_null() {
        return Err(missing("hardwareProfile"));
    }
    if size(body).is_empty() { Err(missing("vmSize")) } else { Ok(()) }
}

fn os_profile(body: &Value) -> Result<(), ArmError> {
    let profile = &body["properties"]["osProfile"];
    if profile.is_null() {
        return Err(missing("osProfile"));
    }
    let text = |key: &str| profile[key].as_str().filter(|text| !text.is_empty());
    let computer_name = text("computerName").ok_or_else(|| missing("osProfile.computerName"))?;
    if computer_name.len() > 64 || computer_name.chars().any(|c| !c.is_whitespace() && HOST_NAME_FORBIDDEN.contains(c))
    {
        return Err(invalid(
            "computerName",
            format!(
                "Linux host name cannot exceed 64 characters in length or contain the following characters: \
                 {HOST_NAME_FORBIDDEN}."
            ),
        ));
    }
    let user = text("adminUsername").ok_or_else(|| missing("osProfile.adminUsername"))?;
    if let Some(data) = custom_data(body)
        && (data.len() > MAX_CUSTOM_DATA || STANDARD.decode(data).is_err())
    {
        return Err(invalid(
            "customData",
            format!(
                "Custom data in OSProfile must be in Base64 encoding and with a maximum length of {MAX_CUSTOM_DATA} \
                 characters."
            ),
        ));
    }
    ssh(profile, user)
}

fn ssh(profile: &Value, user: &str) -> Result<(), ArmError> {
    let linux = &profile["linuxConfiguration"];
    let keys = linux.pointer("/ssh/publicKeys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let home = format!("/home/{user}/.ssh/authorized_keys");
    if keys.iter().any(|key| key["path"].as_str().is_some_and(|path| path != home)) {
        return Err(invalid(
            "linuxConfiguration.ssh.publicKeys.path",
            format!(
                "Destination path for SSH public keys is currently limited to its default value '{home}' due to a \
                 known issue in Linux provisioning agent."
            ),
        ));
    }
    let password = profile["adminPassword"].as_str().is_some_and(|password| !password.is_empty());
    if keys.is_empty() && (!password || linux["disablePasswordAuthentication"] == true) {
        return Err(invalid(
            "linuxConfiguration",
            "Authentication using either SSH or by user name and password must be enabled in Linux profile.",
        ));
    }
    Ok(())
}

fn storage(world: &World, body: &Value, location: &str) -> Result<(), ArmError> {
    let profile = &body["properties"]["storageProfile"];
    if profile["osDisk"].is_null() {
        return Err(missing("osDisk"));
    }
    match profile["osDisk"]["createOption"].as_str() {
        None => return Err(missing("osDisk.createOption")),
        Some(option) if option.eq_ignore_ascii_case("FromImage") => {}
        // Disks that bring their own contents have no image to boot a node from.
        Some(option) => return Err(not_modelled(&format!("OS disks with createOption '{option}'"))),
    }
    image(world, &profile["imageReference"], location)
}

/// An image reference names an image that exists. Community galleries and the subscription's own are known in full; of
/// others and of marketplace images only the form is looked at.
fn image(world: &World, reference: &Value, location: &str) -> Result<(), ArmError> {
    if let Some(id) = reference["communityGalleryImageId"].as_str() {
        return community_image(world, id, location);
    }
    if let Some(id) = reference["sharedGalleryImageId"].as_str() {
        return gallery::check_shared(world, id, location);
    }
    let marketplace = ["publisher", "offer", "sku", "version"].iter().all(|key| reference[*key].is_string());
    match reference["id"].as_str() {
        Some(text) => match ResourceId::parse(text) {
            Err(_) => Err(super::refusal::invalid_id(text, "properties.storageProfile.imageReference.id")),
            Ok(id) => gallery::check_image(world, &id, location),
        },
        None if marketplace => Ok(()),
        None => Err(missing("imageReference")),
    }
}

fn community_image(world: &World, id: &str, location: &str) -> Result<(), ArmError> {
    let reference = CommunityImage::parse(id).ok_or_else(|| {
        invalid(
            "imageReference.communityGalleryImageId",
            format!("The value '{id}' of parameter 'imageReference.communityGalleryImageId' is invalid."),
        )
    })?;
    let version = reference.version;
    let image = reference.current(world);
    if image.is_some_and(|image| version.eq_ignore_ascii_case("latest") || image.version(version).is_some()) {
        return Ok(());
    }
    Err(image_not_found(id, location))
}

/// The definition of the community image that a body names.
pub(super) fn image_definition(body: &Value) -> Option<&'static Image> {
    let id = body.pointer("/properties/storageProfile/imageReference/communityGalleryImageId")?.as_str()?;
    CommunityImage::parse(id)?.definition()
}

/// `/CommunityGalleries/{gallery}/Images/{image}/Versions/{version}`.
struct CommunityImage<'a> {
    gallery: &'a str,
    image: &'a str,
    version: &'a str,
}

impl<'a> CommunityImage<'a> {
    fn parse(id: &'a str) -> Option<Self> {
        let segments: Vec<_> = id.trim_start_matches('/').split('/').collect();
        let [galleries, gallery, images, image, versions, version] = segments[..] else { return None };
        let kinds = [(galleries, "CommunityGalleries"), (images, "Images"), (versions, "Versions")];
        let sound = kinds.iter().all(|(found, wanted)| found.eq_ignore_ascii_case(wanted)) && !version.is_empty();
        sound.then_some(Self { gallery, image, version })
    }

    /// With the versions that there are now.
    fn current(&self, world: &World) -> Option<Image> {
        let gallery = Catalog::builtin().gallery(self.gallery)?;
        Some(community_gallery::current(world, gallery, gallery.image(self.image)?))
    }

    fn definition(&self) -> Option<&'static Image> {
        Catalog::builtin().gallery(self.gallery)?.image(self.image)
    }
}
