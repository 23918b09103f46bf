//! `Microsoft.Resources`: the subscription, resource groups, what is in them, registered namespaces, and template
//! deployments.

mod deployment;
mod group;
mod listing;
mod namespace;
mod subscription;

pub(crate) use group::remove_group;
pub(crate) use namespace::check_registered;

/// Api-versions of the resources provider.
const API_VERSIONS: &[&str] = &[
    "2016-06-01",
    "2018-05-01",
    "2019-05-01",
    "2019-06-01",
    "2019-07-01",
    "2019-08-01",
    "2019-10-01",
    "2020-01-01",
    "2020-06-01",
    "2020-08-01",
    "2020-10-01",
    "2021-01-01",
    "2021-04-01",
    "2022-09-01",
    "2022-12-01",
    "2023-07-01",
    "2024-03-01",
    "2024-07-01",
    "2024-11-01",
    "2025-03-01",
    "2025-04-01",
];

pub use group::GROUP;
