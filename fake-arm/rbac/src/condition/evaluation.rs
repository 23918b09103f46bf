//! Whether facts fulfil a condition.

use std::borrow::Cow;

use jiff::Timestamp;
use uuid::Uuid;

use super::attribute::{Attribute, Attributes, Source, Value};
use super::expression::{Expression, Operand};

/// What is true of one question.
#[derive(Clone, Copy)]
pub(crate) struct ConditionFacts<'a> {
    /// The action, in lower case.
    pub(crate) action: &'a str,
    /// Who asks.
    pub(crate) principal: Uuid,
    /// When.
    pub(crate) now: Timestamp,
    /// Everything else.
    pub(crate) attributes: &'a dyn Attributes,
}

impl ConditionFacts<'_> {
    fn values(&self, attribute: &Attribute) -> Option<Vec<Value>> {
        if attribute.source == Source::Environment && attribute.name.eq_ignore_ascii_case("UtcNow") {
            return Some(vec![Value::Text(self.now.to_string())]);
        }
        if attribute.source == Source::Request && attribute.name.eq_ignore_ascii_case("subOperation") {
            return self.attributes.suboperation().map(|name| vec![Value::Text(name.to_owned())]);
        }
        if attribute.source == Source::Principal && attribute.name.eq_ignore_ascii_case("Id") {
            return Some(vec![Value::Text(self.principal.to_string())]);
        }
        self.attributes.values(attribute.source, &attribute.name)
    }
}

/// A comparison with an attribute that is not there does not hold, whatever its operator: `Exists` is there to ask.
pub(super) fn holds(expression: &Expression, facts: &ConditionFacts<'_>) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, facts)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, facts)),
        Expression::Not(part) => !holds(part, facts),
        Expression::ActionMatches(pattern) => pattern.matches(facts.action),
        Expression::SubOperationMatches(name) => {
            facts.attributes.suboperation().is_some_and(|given| given.eq_ignore_ascii_case(name))
        }
        Expression::Exists(attribute) => facts.values(attribute).is_some(),
        Expression::Compare(left, comparison, right) => {
            let (Some(left), Some(right)) = (side(left, facts), side(right, facts)) else { return false };
            comparison.holds(&left, &right)
        }
    }
}

fn side<'a>(operand: &'a Operand, facts: &ConditionFacts<'_>) -> Option<Cow<'a, [Value]>> {
    match operand {
        Operand::Values(values) => Some(Cow::Borrowed(values)),
        Operand::Attribute(attribute) => facts.values(attribute).map(Cow::Owned),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, NoAttributes};
    use super::*;

    struct OfAssignment;

    impl Attributes for OfAssignment {
        fn values(&self, source: Source, name: &str) -> Option<Vec<Value>> {
            let role = "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7";
            (source == Source::Request && name == "Microsoft.Authorization/roleAssignments:RoleDefinitionId")
                .then(|| vec![Value::Text(role.to_owned())])
        }

        fn suboperation(&self) -> Option<&str> {
            Some("Blob.List")
        }
    }

    fn holds(text: &str, action: &str, attributes: &dyn Attributes) -> bool {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let action = action.to_ascii_lowercase();
        let facts = ConditionFacts { action: &action, principal: Uuid::from_u128(7), now, attributes };
        Condition::parse(text).unwrap().holds(&facts)
    }

    /// The condition that the custom VNet document prints.
    #[test]
    fn the_documents_condition_takes_writing_and_deleting_subnets_away() {
        let text = "((!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/write'})) AND (!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/delete'})))";
        let subnets =
            |action: &str| holds(text, &format!("Microsoft.Network/virtualNetworks/subnets/{action}"), &NoAttributes);
        assert!(subnets("read") && subnets("join/action"));
        assert!(!subnets("write") && !subnets("Delete"));
    }

    #[test]
    fn delegation_can_be_kept_to_some_roles() {
        let text = |role: &str| {
            format!(
                "(!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{role}}})"
            )
        };
        let write = "Microsoft.Authorization/roleAssignments/write";
        let (network, owner) = ("4d97b98b-1d4f-4787-a291-c67834d212e7", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635");
        assert!(holds(&text(network), write, &OfAssignment));
        assert!(!holds(&text(owner), write, &OfAssignment));
        assert!(holds(&text(owner), "Microsoft.Authorization/roleAssignments/read", &OfAssignment));
        assert!(!holds(&text(network), write, &NoAttributes), "an attribute that is not there is no match");
        assert!(!holds("@Request[x:y] StringNotEquals 'a'", write, &NoAttributes), "neither way");
        assert!(holds("NOT exists @Request[x:y]", write, &NoAttributes));
    }

    #[test]
    fn suboperations_time_and_principal_can_be_asked_for() {
        assert!(holds("SubOperationMatches{'blob.list'}", "a", &OfAssignment));
        assert!(!holds("SubOperationMatches{'Blob.List'}", "a", &NoAttributes));
        assert!(holds("@Environment[UtcNow] DateTimeLessThan '2026-01-01T00:00:01Z'", "a", &NoAttributes));
        assert!(!holds("@Environment[UtcNow] DateTimeLessThan '2026-01-01T00:00:00Z'", "a", &NoAttributes));
    }
}
