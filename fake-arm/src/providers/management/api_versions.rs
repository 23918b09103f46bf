//! Api-versions of `Microsoft.Management`.

/// Api-versions of both.
pub(super) const API_VERSIONS: &[&str] =
    &["2018-03-01-preview", "2019-11-01", "2020-02-01", "2020-05-01", "2020-10-01", "2021-04-01", "2023-04-01"];
