//! What the owner can tune.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Throttling;

/// How the fake behaves where Azure's own behaviour is a matter of time and size.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Items on one page of a list; the rest is behind `nextLink`.
    pub page_size: usize,
    /// Rows on one page of a Resource Graph answer; the rest is behind `$skipToken`. Azure's is 1000.
    pub graph_page_size: usize,
    /// What callers are told to wait between two looks at a long-running operation. Sent as `Retry-After-Ms` (which
    /// the provisioner's SDK prefers) and, rounded up to seconds, as `Retry-After`.
    pub poll_interval: Duration,
    /// How long an access token of a managed identity is good for.
    pub token_lifetime: Duration,
    /// How long an access token for a client secret or a federated assertion is good for.
    pub client_token_lifetime: Duration,
    /// How many requests callers may make.
    pub throttling: Throttling,
    /// Whether a change is refused while another one of the same network is under way, and a resource is refused that
    /// refers to one under change, as the network provider does.
    pub conflicts: bool,
    /// Within how much wall time a request's body must have come. Taken when the fake starts.
    pub body_patience: Duration,
    /// How long the addresses of an interface that went with its machine stay taken, and how long an interface that
    /// its machine left behind on a failed creation or a forced deletion stays reserved for that machine. Azure's is
    /// 180 seconds; zero frees both at once.
    pub address_hold: Duration,
    /// Where operations report that have no location of their own, and where resource groups default to.
    pub home_location: String,
    /// Whether requests need roles. Without, every principal of the directory may do everything.
    pub enforce_roles: bool,
    /// How long a role assignment takes to be known everywhere: until then it does not count, and one that was taken
    /// away still does. Azure's is up to ten minutes.
    pub role_propagation: Duration,
    durations: BTreeMap<String, Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            page_size: 200,
            graph_page_size: 1000,
            poll_interval: Duration::from_millis(100),
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            client_token_lifetime: Duration::from_secs(60 * 60),
            throttling: Throttling::default(),
            conflicts: true,
            body_patience: Duration::from_secs(100),
            address_hold: Duration::from_secs(180),
            home_location: "eastus".to_owned(),
            enforce_roles: true,
            role_propagation: Duration::ZERO,
            durations: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Says how long an operation takes, for example `Microsoft.Compute/virtualMachines/write`, by the fake's clock.
    /// Zero makes it end before it answers.
    pub fn set_duration(&mut self, operation: &str, duration: Duration) {
        self.durations.insert(operation.to_ascii_lowercase(), duration);
    }

    /// How long an operation takes: as set, else as the provider thinks.
    pub fn duration(&self, operation: &str, default: Duration) -> Duration {
        self.durations.get(&operation.to_ascii_lowercase()).copied().unwrap_or(default)
    }
}
