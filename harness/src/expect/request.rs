//! What is expected of the requests that reached Azure.

use std::fmt;

use super::expectation::Needs;
use super::selection::{Selection, Subject};
use super::state::State;
use super::waiting::Mark;
use crate::azure::{PrincipalId, lies_within};
use crate::history::AzureRequest;

/// Requests of this operation, in the language of role definitions: `Microsoft.Network/networkInterfaces/write`.
pub fn requests(operation: &str) -> RequestSelection {
    let wanted = operation.to_owned();
    all_requests().narrowed(operation, move |_, entry| entry.operation.eq_ignore_ascii_case(&wanted))
}

/// Requests for access tokens of managed identities.
pub fn token_requests() -> RequestSelection {
    all_requests().narrowed("for tokens", |_, entry| entry.path.ends_with("/token"))
}

/// All requests to Azure.
pub fn all_requests() -> RequestSelection {
    Selection::new(Requests { since: 0 })
}

/// The requests to Azure after a record of the history.
#[derive(Debug, Clone)]
pub struct Requests {
    since: usize,
}

/// Requests, all or those of which something was said.
pub type RequestSelection = Selection<Requests>;

impl Subject for Requests {
    type Item = AzureRequest;

    const ONE: &'static str = "request";

    #[allow(private_interfaces)]
    const NEEDS: Needs = Needs::REQUESTS;

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a AzureRequest> {
        state.requests().filter(|(position, _)| *position > self.since).map(|(_, entry)| entry)
    }

    fn label(entry: &AzureRequest) -> String {
        format!("{} {} {}", entry.method, entry.path, entry.status)
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests")
    }
}

impl RequestSelection {
    /// About the resource with this id, or below it, segment by segment and letter case aside, as ARM reads ids.
    pub fn about(self, id: &str) -> Self {
        let wanted = id.to_owned();
        self.narrowed(format!("about {id}"), move |_, entry| lies_within(&entry.resource_id, &wanted))
    }

    /// Sent by this principal.
    pub fn by(self, principal: impl Into<PrincipalId>) -> Self {
        let principal = principal.into();
        self.narrowed(format!("by {principal}"), move |_, entry| sent_by(entry, &principal))
    }

    /// Sent with a `User-Agent` that holds this text, `karpenter-aks/v1.7.1` for example.
    pub fn from_agent(self, agent: &str) -> Self {
        let wanted = agent.to_owned();
        self.narrowed(format!("from {agent}"), move |_, entry| entry.user_agent.contains(&wanted))
    }

    /// Answered with this status.
    pub fn answered(self, status: u16) -> Self {
        self.narrowed(format!("answered with {status}"), move |_, entry| entry.status == status)
    }

    /// Those after a moment.
    pub fn since(self, mark: &Mark) -> Self {
        self.of_subject(|requests| Requests { since: requests.since.max(mark.position()) })
    }
}

fn sent_by(entry: &AzureRequest, principal: &PrincipalId) -> bool {
    entry.principal.is_some_and(|sender| sender.to_string().eq_ignore_ascii_case(principal.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::state::tests::state_of_requests;

    const SUBNETS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets";

    #[test]
    fn a_request_about_a_resource_is_not_about_one_whose_name_begins_alike() {
        let state = state_of_requests(&[
            ("Microsoft.Network/virtualNetworks/subnets/read", &format!("{SUBNETS}/custom-subnet2")),
            ("Microsoft.Network/virtualNetworks/subnets/read", &format!("{SUBNETS}/Custom-Subnet")),
            ("Microsoft.Network/virtualNetworks/subnets/join/action", &format!("{SUBNETS}/custom-subnet/x/y")),
        ]);
        let about = |id: &str| all_requests().about(id);
        assert_eq!(about(&format!("{SUBNETS}/custom-subnet")).at_most(2).evaluate(&state), Ok(()));
        assert_eq!(about(&format!("{SUBNETS}/custom-subnet")).at_least(2).evaluate(&state), Ok(()));
        assert_eq!(about(&format!("{SUBNETS}/custom")).none().evaluate(&state), Ok(()));
        assert_eq!(
            about("/subscriptions/s/resourcegroups/G/providers/microsoft.network").at_least(3).evaluate(&state),
            Ok(())
        );
    }

    #[test]
    fn a_second_condition_on_requests_holds_beside_the_first() {
        let state = state_of_requests(&[("Microsoft.Network/virtualNetworks/subnets/read", &format!("{SUBNETS}/a"))]);
        let about =
            |one: &str, two: &str| all_requests().about(&format!("{SUBNETS}{one}")).about(&format!("{SUBNETS}{two}"));
        assert_eq!(about("", "/a").any().evaluate(&state), Ok(()));
        assert_eq!(about("/b", "/a").none().evaluate(&state), Ok(()));
    }
}
