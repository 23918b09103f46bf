//! Manifests from YAML.

use std::path::Path;

use include_dir::{Dir, include_dir};
use serde_json::Value;

use super::Apply;

static MANIFESTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../manifests");

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no such file in the project's folder.
    #[error("there is no manifests/{name}; there are: {known}")]
    Unknown {
        /// Name asked for.
        name: String,
        /// Names that exist.
        known: String,
    },
    /// The file cannot be read.
    #[error("cannot read the manifest {path}: {source}")]
    File {
        /// Path.
        path: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The text is not YAML.
    #[error("the manifest {origin} is not valid YAML: {reason}")]
    Syntax {
        /// Path or `given text`.
        origin: String,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A document is not a Kubernetes object.
    #[error(
        "document {number} of the manifest {origin} has no `{field}`: each needs apiVersion, kind and metadata.name"
    )]
    NotAnObject {
        /// Path or `given text`.
        origin: String,
        /// Position, from 1.
        number: usize,
        /// The missing field.
        field: &'static str,
    },
}

/// Objects read from YAML text, several documents allowed. `${NAME}` is replaced by what [`Manifests::with`] gives.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before it is applied"]
pub struct Manifests {
    origin: String,
    text: String,
}

impl Manifests {
    /// From YAML text.
    pub fn text(text: impl Into<String>) -> Self {
        Self { origin: "given text".into(), text: text.into() }
    }

    /// A file of the project's `manifests` folder. Its text is part of the program, so that it is at hand on machines
    /// that have no checkout.
    ///
    /// # Errors
    /// When there is no file of that name.
    pub fn named(name: &str) -> Result<Self, ManifestError> {
        let file = MANIFESTS.get_file(name).and_then(|file| file.contents_utf8()).ok_or_else(|| {
            let known: Vec<_> = MANIFESTS.files().filter_map(|file| file.path().to_str()).collect();
            ManifestError::Unknown { name: name.to_owned(), known: known.join(", ") }
        })?;
        Ok(Self { origin: format!("manifests/{name}"), text: file.to_owned() })
    }

    /// From a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, ManifestError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path)
            .map_err(|source| ManifestError::File { path: path.display().to_string(), source })?;
        Ok(Self { origin: path.display().to_string(), text })
    }

    /// Replaces `${name}` by `value`.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.text = self.text.replace(&format!("${{{name}}}"), value);
        self
    }
}

impl Apply for Manifests {
    fn origin(&self) -> Option<String> {
        Some(self.origin.clone())
    }

    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&self.text)
            .map_err(|error| ManifestError::Syntax { origin: self.origin.clone(), reason: error.to_string() })?;
        for (index, document) in documents.iter().enumerate() {
            for (field, present) in [
                ("apiVersion", document["apiVersion"].is_string()),
                ("kind", document["kind"].is_string()),
                ("metadata.name", document["metadata"]["name"].is_string()),
            ] {
                if !present {
                    return Err(ManifestError::NotAnObject { origin: self.origin, number: index + 1, field });
                }
            }
        }
        Ok(documents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_documents_are_read_in_order_and_placeholders_are_filled() {
        let text =
            "apiVersion: v1\nkind: A\nmetadata: {name: '${X}'}\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\n";
        let objects = Manifests::text(text).with("X", "a").objects().unwrap();
        assert_eq!(objects[0]["metadata"]["name"], "a");
        assert_eq!(objects[1]["kind"], "B");
    }

    #[test]
    fn a_document_without_a_kind_is_named_with_its_place() {
        let error = Manifests::text("apiVersion: v1\nmetadata: {name: a}\n").objects().unwrap_err();
        assert!(error.to_string().contains("document 1 of the manifest given text has no `kind`"), "{error}");
    }
}
