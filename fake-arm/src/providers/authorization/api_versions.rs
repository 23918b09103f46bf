//! The api-versions that Azure CLI and the SDKs send.

pub(super) const ROLE_ASSIGNMENTS: &[&str] = &[
    "2015-07-01",
    "2017-10-01-preview",
    "2018-01-01-preview",
    "2018-07-01",
    "2018-09-01-preview",
    "2018-12-01-preview",
    "2019-04-01-preview",
    "2020-03-01-preview",
    "2020-04-01-preview",
    "2020-08-01-preview",
    "2020-10-01-preview",
    "2021-04-01-preview",
    "2022-01-01-preview",
    "2022-04-01",
];

pub(super) const ROLE_DEFINITIONS: &[&str] = &[
    "2015-07-01",
    "2017-05-01",
    "2018-01-01-preview",
    "2018-07-01",
    "2022-04-01",
    "2022-05-01-preview",
    "2023-07-01-preview",
];

pub(super) const DENY_ASSIGNMENTS: &[&str] = &[
    "2018-07-01-preview",
    "2018-07-01",
    "2019-03-01-preview",
    "2020-03-01-preview",
    "2022-04-01",
    "2024-07-01-preview",
];

pub(super) const PERMISSIONS: &[&str] =
    &["2015-07-01", "2018-01-01-preview", "2018-07-01", "2022-04-01", "2022-05-01-preview"];
