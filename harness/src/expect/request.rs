//! What is expected of the requests that reached Azure.

use fake_arm::events::LedgerEntry;

use super::expectation::{Expectation, Quantity, listed};
use super::state::State;
use super::waiting::Mark;
use crate::azure::PrincipalId;

/// Requests of this operation, in the language of role definitions: `Microsoft.Network/networkInterfaces/write`.
#[must_use]
pub fn requests(operation: &str) -> RequestSelection {
    RequestSelection::of(What::Operation(operation.to_owned()))
}

/// Requests for access tokens of managed identities.
#[must_use]
pub fn token_requests() -> RequestSelection {
    RequestSelection::of(What::Token)
}

/// All requests to Azure.
#[must_use]
pub fn all_requests() -> RequestSelection {
    RequestSelection::of(What::Anything)
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
    principal: Option<PrincipalId>,
    agent: Option<String>,
    since: usize,
}

impl RequestSelection {
    fn of(what: What) -> Self {
        Self { what, status: None, resource: None, principal: None, agent: None, since: 0 }
    }

    /// About the resource with this id, or below it.
    #[must_use]
    pub fn about(mut self, id: &str) -> Self {
        self.resource = Some(id.to_ascii_lowercase());
        self
    }

    /// Sent by this principal.
    #[must_use]
    pub fn by(mut self, principal: impl Into<PrincipalId>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// Sent with a `User-Agent` that holds this text, `karpenter-aks/v1.7.1` for example.
    #[must_use]
    pub fn from_agent(mut self, agent: &str) -> Self {
        self.agent = Some(agent.to_owned());
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
        let by = self.principal.as_ref().map(|principal| format!(" by {principal}")).unwrap_or_default();
        let agent = self.agent.as_ref().map(|agent| format!(" from {agent}")).unwrap_or_default();
        let status = self.status.map(|status| format!(" answered with {status}")).unwrap_or_default();
        Expectation::new(format!("{what}{about}{by}{agent}{status}: {quantity}"), move |state| {
            let found: Vec<_> =
                self.matching(state).map(|entry| format!("{} {} {}", entry.method, entry.path, entry.status)).collect();
            if quantity.holds(found.len()) { Ok(()) } else { Err(listed(&found)) }
        })
    }

    fn matching<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a LedgerEntry> {
        state.requests().filter(|(position, _)| *position > self.since).map(|(_, entry)| entry).filter(|entry| {
            let meant = match &self.what {
                What::Operation(operation) => entry.operation.eq_ignore_ascii_case(operation),
                What::Token => entry.path.ends_with("/token"),
                What::Anything => true,
            };
            meant
                && self.status.is_none_or(|status| entry.status == status)
                && self.principal.as_ref().is_none_or(|wanted| sent_by(entry, wanted))
                && self.agent.as_ref().is_none_or(|agent| entry.user_agent.contains(agent.as_str()))
                && self
                    .resource
                    .as_ref()
                    .is_none_or(|wanted| entry.resource_id.to_ascii_lowercase().starts_with(wanted.as_str()))
        })
    }
}

fn sent_by(entry: &LedgerEntry, principal: &PrincipalId) -> bool {
    entry.principal.is_some_and(|sender| sender.to_string().eq_ignore_ascii_case(principal.as_str()))
}
