//! Community galleries, their image definitions and versions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// A community gallery.
#[derive(Debug, Clone)]
pub struct Gallery {
    /// Public name, `AKSUbuntu-38d80f77-467a-481f-a8d4-09b6d4220bd2`.
    pub name: String,
    /// Image definitions.
    pub images: Vec<Image>,
}

/// An image definition of a gallery.
#[derive(Debug, Clone)]
pub struct Image {
    /// `2404gen2containerd`.
    pub name: String,
    /// Hyper-V generation, `V1` or `V2`.
    pub generation: String,
    /// `x64` or `Arm64`.
    pub architecture: String,
    /// Versions, oldest first.
    pub versions: Vec<ImageVersion>,
}

/// A version of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageVersion {
    /// `202510.12.0`.
    pub name: String,
    /// When it was published.
    pub published: Timestamp,
}

impl Gallery {
    /// An image definition, in any case.
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.name.eq_ignore_ascii_case(name))
    }

    /// The gallery as `Microsoft.Compute/locations/communityGalleries`.
    pub fn to_json(&self, location: &str) -> Value {
        json!({
            "name": self.name,
            "type": "Microsoft.Compute/Locations/CommunityGalleries",
            "location": location,
            "identifier": { "uniqueId": format!("/CommunityGalleries/{}", self.name) },
            "properties": { "disclaimer": "", "artifactTags": {} },
        })
    }
}

impl Image {
    /// A version, in any case.
    pub fn version(&self, name: &str) -> Option<&ImageVersion> {
        self.versions.iter().find(|version| version.name.eq_ignore_ascii_case(name))
    }

    /// The newest version.
    pub fn latest(&self) -> Option<&ImageVersion> {
        self.versions.iter().max_by_key(|version| version.published)
    }

    /// The definition as `Microsoft.Compute/locations/communityGalleries/images`.
    pub fn to_json(&self, location: &str, gallery: &str) -> Value {
        json!({
            "name": self.name,
            "type": "Microsoft.Compute/Locations/CommunityGalleries/Images",
            "location": location,
            "identifier": { "uniqueId": format!("/CommunityGalleries/{gallery}/Images/{}", self.name) },
            "properties": {
                "osType": "Linux",
                "osState": "Generalized",
                "hyperVGeneration": self.generation,
                "architecture": self.architecture,
                "identifier": { "publisher": "AKS", "offer": gallery.split('-').next(), "sku": self.name },
                "disclaimer": "",
                "artifactTags": {},
            },
        })
    }
}

impl ImageVersion {
    /// The version as `Microsoft.Compute/locations/communityGalleries/images/versions`.
    pub fn to_json(&self, location: &str, gallery: &str, image: &str) -> Value {
        let unique_id = format!("/CommunityGalleries/{gallery}/Images/{image}/Versions/{}", self.name);
        json!({
            "name": self.name,
            "type": "Microsoft.Compute/Locations/CommunityGalleries/Images/Versions",
            "location": location,
            "identifier": { "uniqueId": unique_id },
            "properties": {
                "publishedDate": self.published.to_string(),
                "excludeFromLatest": false,
                "storageProfile": { "osDiskImage": { "diskSizeGB": 30, "hostCaching": "None" } },
                "disclaimer": "",
                "artifactTags": {},
            },
        })
    }
}

/// `images.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImagesFile {
    galleries: Vec<GalleryRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GalleryRow {
    name: String,
    versions: BTreeMap<String, Timestamp>,
    images: BTreeMap<String, ImageRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageRow {
    generation: String,
    architecture: String,
}

impl ImagesFile {
    pub(super) fn into_galleries(self) -> Vec<Gallery> {
        self.galleries.into_iter().map(GalleryRow::into_gallery).collect()
    }
}

impl GalleryRow {
    fn into_gallery(self) -> Gallery {
        let mut versions: Vec<_> =
            self.versions.into_iter().map(|(name, published)| ImageVersion { name, published }).collect();
        versions.sort_by_key(|version| version.published);
        let images = self
            .images
            .into_iter()
            .map(|(name, ImageRow { generation, architecture })| Image {
                name,
                generation,
                architecture,
                versions: versions.clone(),
            })
            .collect();
        Gallery { name: self.name, images }
    }
}
