//! What is expected of the requests that reached Azure.

use fake_arm::events::LedgerEntry;

use super::expectation::{Expectation, Quantity, listed};
use super::state::State;
use super::waiting::Mark;

/// Requests of this operation, in the language of role definitions: `Microsoft.Network/networkInterfaces/write`.
#[must_use]
pub fn requests(operation: &str) -> RequestSelection {
    RequestSelection { operation: operation.to_owned(), resource: None, since: 0 }
}

/// Requests, narrowed down.
#[derive(Debug, Clone)]
pub struct RequestSelection {
    operation: String,
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

    /// At most so many were sent.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        let about = self.resource.as_ref().map(|id| format!(" about {id}")).unwrap_or_default();
        Expectation::new(format!("requests {}{about}: {quantity}", self.operation), move |state| {
            let found: Vec<_> =
                self.of(state).map(|entry| format!("{} {} {}", entry.method, entry.path, entry.status)).collect();
            if quantity.holds(found.len()) { Ok(()) } else { Err(listed(&found)) }
        })
    }

    fn of<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a LedgerEntry> {
        state.requests().filter(|(position, _)| *position > self.since).map(|(_, entry)| entry).filter(|entry| {
            entry.operation.eq_ignore_ascii_case(&self.operation)
                && self
                    .resource
                    .as_ref()
                    .is_none_or(|wanted| entry.resource_id.to_ascii_lowercase().starts_with(wanted.as_str()))
        })
    }
}
