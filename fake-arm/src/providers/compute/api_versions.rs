//! Api-versions of `Microsoft.Compute`.

/// Api-versions of virtual machines and what hangs on them, newest first.
pub(super) const VM_API_VERSIONS: &[&str] = &[
    "2026-04-01",
    "2025-11-01",
    "2025-04-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2023-09-01",
    "2023-07-01",
    "2023-03-01",
    "2022-11-01",
    "2022-08-01",
    "2022-03-01",
    "2021-11-01",
    "2021-07-01",
];
