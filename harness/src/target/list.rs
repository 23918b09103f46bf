//! Which targets there are.

use super::azure::AzureElsewhere;
use super::embedded::Embedded;
use super::kind::Kind;
use super::target::Target;

/// All targets, the one that is meant where none is named first.
#[must_use]
pub fn all() -> &'static [&'static dyn Target] {
    &[&Embedded, &Kind, &AzureElsewhere]
}

/// There is no such target.
#[derive(Debug, thiserror::Error)]
#[error("there is no target {name:?}; there are {}", all().iter().map(|target| target.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownTarget {
    /// What was named.
    pub name: String,
}

/// The target with this name; the first where none is named.
///
/// # Errors
/// When there is no such target; the error names those that there are.
pub fn named(name: Option<&str>) -> Result<&'static dyn Target, UnknownTarget> {
    let Some(name) = name else { return Ok(all()[0]) };
    let found = all().iter().find(|target| target.name() == name);
    found.copied().ok_or_else(|| UnknownTarget { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_by_its_name_and_another_one_is_refused_with_those_that_there_are() {
        assert_eq!(named(None).unwrap().name(), "embedded");
        for target in all() {
            assert_eq!(named(Some(target.name())).unwrap().name(), target.name());
        }
        assert_eq!(
            named(Some("moon")).unwrap_err().to_string(),
            "there is no target \"moon\"; there are embedded, kind, azure"
        );
    }
}
