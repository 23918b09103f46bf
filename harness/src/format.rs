//! Versions of the formats of files that are read again, perhaps a year later and by another catnap.

use std::path::{Path, PathBuf};

/// The format of one kind of file.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    what: &'static str,
    newest: u32,
}

/// A file that a newer catnap has written.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} has version {found} of the format of {what}, and this catnap reads versions up to {newest}: take the catnap that \
     wrote it, or a newer one",
    file.display()
)]
pub struct NewerFormat {
    file: PathBuf,
    what: &'static str,
    found: u32,
    newest: u32,
}

impl Format {
    /// The format of `what`, as this catnap writes it: in version `newest`.
    #[must_use]
    pub const fn new(what: &'static str, newest: u32) -> Self {
        Self { what, newest }
    }

    /// The version that is written.
    #[must_use]
    pub const fn version(self) -> u32 {
        self.newest
    }

    /// Whether `file`, which has the version `found`, can be read.
    ///
    /// # Errors
    /// When it is newer.
    pub fn check(self, file: &Path, found: u32) -> Result<(), NewerFormat> {
        let Self { what, newest } = self;
        if found <= newest { Ok(()) } else { Err(NewerFormat { file: file.to_path_buf(), what, found, newest }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_version_is_refused_by_name_and_an_older_one_is_read() {
        let format = Format::new("histories", 2);
        let file = Path::new("run/history.jsonl");
        assert!(format.check(file, 1).is_ok() && format.check(file, 2).is_ok());
        let error = format.check(file, 3).unwrap_err().to_string();
        assert!(error.starts_with("run/history.jsonl has version 3 of the format of histories"), "{error}");
        assert!(error.contains("reads versions up to 2"), "{error}");
    }
}
