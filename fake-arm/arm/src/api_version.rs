//! Api-versions: the date in `?api-version=2022-01-01`, with `-preview` or the like behind it.

use std::fmt;
use std::str::FromStr;

/// A well-formed api-version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(String);

/// The text is not of the form `yyyy-MM-dd[-suffix]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an api-version (yyyy-MM-dd, with an optional suffix such as -preview)")]
pub struct InvalidApiVersion(pub String);

impl ApiVersion {
    /// The version as text, lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// It is this version or a later one; previews count as their date.
    pub fn at_least(&self, date: &str) -> bool {
        self.0.as_bytes()[..10] >= date.as_bytes()[..10]
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        let dated = bytes.len() >= 10
            && bytes[..10]
                .iter()
                .enumerate()
                .all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() });
        let suffixed = bytes.len() == 10
            || (bytes.len() > 11
                && bytes[10] == b'-'
                && bytes[11..].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'.'));
        if dated && suffixed { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidApiVersion(text.to_owned())) }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_dates_and_previews_only() {
        assert!("2022-01-01".parse::<ApiVersion>().is_ok());
        assert_eq!("2021-06-01-Preview".parse::<ApiVersion>().unwrap().as_str(), "2021-06-01-preview");
        for bad in ["", "latest", "2022-1-1", "2022-01-01preview", "2022-01-01-", "2022-01-01 or"] {
            assert!(bad.parse::<ApiVersion>().is_err(), "{bad}");
        }
        assert!("2025-04-01".parse::<ApiVersion>().unwrap().at_least("2024-11-01"));
    }
}
