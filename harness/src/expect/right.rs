//! What is expected of the rights that someone used in Azure.

use std::collections::BTreeSet;

use fake_arm::ledger::Footprint;
use uuid::Uuid;

use super::expectation::{Expectation, Needs, listed};
use super::state::State;
use super::waiting::Mark;
use crate::azure::PrincipalId;
use crate::history::AzureRequest;

/// The rights that a principal used: the actions of the requests that Azure let through, and those on what their bodies
/// linked to.
#[must_use]
pub fn rights_of(principal: impl Into<PrincipalId>) -> RightSelection {
    RightSelection { principal: principal.into(), since: 0 }
}

/// Rights used by one principal.
#[derive(Debug, Clone)]
pub struct RightSelection {
    principal: PrincipalId,
    since: usize,
}

impl RightSelection {
    /// In requests after a moment.
    #[must_use]
    pub fn since(mut self, mark: &Mark) -> Self {
        self.since = mark.position();
        self
    }

    /// It asked for something, and for nothing that it had no right to: no request of it was answered with 403.
    pub fn suffice(self) -> Expectation {
        let expected =
            Expectation::new(format!("rights of {}: no request went beyond them", self.principal), move |state| {
                let refused: Vec<_> = self
                    .requests(state)
                    .filter(|entry| entry.status == 403)
                    .map(|entry| format!("{} {} {}", entry.operation, entry.resource_id, entry.status))
                    .collect();
                match (self.requests(state).next(), refused.is_empty()) {
                    (None, _) => Err("it asked for nothing".to_owned()),
                    (Some(_), true) => Ok(()),
                    (Some(_), false) => Err(format!("refused: {}", listed(&refused))),
                }
            });
        expected.needing(Needs::REQUESTS)
    }

    /// It used some, and none but these actions.
    pub fn are_within(self, actions: &[&str]) -> Expectation {
        let actions: BTreeSet<String> = actions.iter().map(|action| action.to_ascii_lowercase()).collect();
        let description = format!("rights of {}: within {} actions", self.principal, actions.len());
        let expected = Expectation::new(description, move |state| {
            let footprint = self.footprint(state);
            let used = footprint.actions();
            let others: Vec<_> = used
                .iter()
                .filter(|action| !actions.contains(&action.to_ascii_lowercase()))
                .map(|action| (*action).to_owned())
                .collect();
            match (used.is_empty(), others.is_empty()) {
                (true, _) => Err("it used none".to_owned()),
                (false, true) => Ok(()),
                (false, false) => Err(format!("besides: {}", listed(&others))),
            }
        });
        expected.needing(Needs::REQUESTS)
    }

    /// It used this action, on this resource.
    pub fn hold(self, action: &str, scope: &str) -> Expectation {
        let (action, scope) = (action.to_owned(), scope.to_owned());
        let expected = Expectation::new(format!("rights of {}: {action} on {scope}", self.principal), move |state| {
            let footprint = self.footprint(state);
            let scopes = footprint.scopes_of(&action);
            if scopes.iter().any(|used| used.eq_ignore_ascii_case(&scope)) {
                return Ok(());
            }
            Err(format!("used on {}", listed(&scopes.iter().map(|&used| used.to_owned()).collect::<Vec<_>>())))
        });
        expected.needing(Needs::REQUESTS)
    }

    /// They themselves.
    #[must_use]
    pub fn footprint(&self, state: &State) -> Footprint {
        Footprint::of(self.requests(state), self.guid().unwrap_or_default())
    }

    fn requests<'a>(&self, state: &'a State) -> impl Iterator<Item = &'a AzureRequest> + use<'a> {
        let (since, principal) = (self.since, self.guid());
        let later = state.requests().filter(move |(position, _)| *position > since).map(|(_, entry)| entry);
        later.filter(move |entry| entry.principal.is_some() && entry.principal == principal)
    }

    fn guid(&self) -> Option<Uuid> {
        self.principal.as_str().parse().ok()
    }
}
