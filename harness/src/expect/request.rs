//! What is expected of the requests that reached Azure.

use fake_arm::events::LedgerEntry;

use super::expectation::{Expectation, Quantity, listed};
use super::state::State;
use super::waiting::Mark;

/// Requests of this operation, in the language of role definitions: `Microsoft.Network/networkInterfaces/write`.
#[must_use]
pub fn requests(operation: &str) -> RequestSelection {
    RequestSelection { what: What::Operation(operation.to_owned()), status: None, resource: None, since: 0 }
}

/// Requests for access tokens of managed identities.
#[must_use]
pub fn token_requests() -> RequestSelection {
    RequestSelection { what: What::Token, status: None, resource: None, since: 0 }
}

/// All requests to Azure.
#[must_use]
pub fn all_requests() -> RequestSelection {
    RequestSelection { what: What::Anything, status: None, resource: None, since: 0 }
}

#[derive(Debug, Clone)]
enum What {
    Operation(String),
    Token,
    Anything,
}

/// Requests, narrowed down.
#[derive(Debug, Clone)]
pub struct RequestSelection {
    what: What,
    status: Option<u16>,
    resource: Option<String>,
    since: usize,
}

impl RequestSelection {
    /// About the resource with this id, or below it.
    #[must_use]
    pub fn about(mut self, id: &str) -> Self {
        self.resource = Some(id.to_ascii_lowercase());
        self
    }

    /// Answered with this status.
    #[must_use]
    pub fn answered(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Those after a moment.
    #[must_use]
    pub fn since(mut self, mark: &Mark) -> Self {
        self.since = mark.position();
        self
    }

    /// None was sent.
    pub fn none(self) -> Expectation {
        self.quantity(Quantity::Exactly(0))
    }

    /// At least one was sent.
    pub fn any(self) -> Expectation {
        self.quantity(Quantity::AtLeast(1))
    }

    /// At least so many were sent.
    pub fn at_least(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtLeast(number))
    }

    /// At most so many were sent.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        let about = self.resource.as_ref().map(|id| format!(" about {id}")).unwrap_or_default();
        let what = match &self.what {
            What::Operation(operation) => format!("requests {operation}"),
            What::Token => "requests for tokens".to_owned(),
            What::Anything => "requests".to_owned(),
        };
        let status = self.status.map(|status| format!(" answered with {status}")).unwrap_or_default();
        Expectation::new(format!("{what}{about}{status}: {quantity}"), move |state| {
            let found: Vec<_> =
                self.of(state).map(|entry| format!("{} {} {}", entry.method, entry.path, entry.status)).collect();
            if quantity.holds(found.len()) { Ok(()) } else { Err(listed(&found)) }
        })
    }

    fn of<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a LedgerEntry> {
        state.requests().filter(|(position, _)| *position > self.since).map(|(_, entry)| entry).filter(|entry| {
            let meant = match &self.what {
                What::Operation(operation) => entry.operation.eq_ignore_ascii_case(operation),
                What::Token => entry.path.ends_with("/token"),
                What::Anything => true,
            };
            meant
                && self.status.is_none_or(|status| entry.status == status)
                && self
                    .resource
                    .as_ref()
                    .is_none_or(|wanted| entry.resource_id.to_ascii_lowercase().starts_with(wanted.as_str()))
        })
    }
}
