//! Things selected from a state, and what can be expected of all such selections alike.

use std::fmt;
use std::sync::Arc;

use super::expectation::{Expectation, Finding, Needs, Quantity, Verdict, listed};
use super::state::State;

/// What can be selected from: the nodes, the requests, the network interfaces. It is written as the plural of its things.
pub trait Subject: fmt::Display + Clone + Send + Sync + 'static {
    /// One of the things.
    type Item: 'static;

    /// What one of them is called: `node claim`.
    const ONE: &'static str;

    /// What whoever expects something of them goes by, besides what Kubernetes shows.
    #[allow(private_interfaces)] // Only this module's selections name it.
    const NEEDS: Needs = Needs { resources: false, requests: false };

    /// All of them in a state.
    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Self::Item>;

    /// Which one it is, as a failure names it.
    fn label(item: &Self::Item) -> String;
}

/// Those things of one sort to which all that was said of them applies.
#[derive(Clone)]
#[must_use = "a selection of which nothing is expected proves nothing"]
pub struct Selection<T: Subject> {
    subject: T,
    conditions: Vec<Condition<T>>,
}

/// Whether a thing is meant.
type Holds<T> = dyn Fn(&State, &<T as Subject>::Item) -> bool + Send + Sync;

/// One thing that was said.
struct Condition<T: Subject> {
    said: String,
    holds: Arc<Holds<T>>,
}

impl<T: Subject> Clone for Condition<T> {
    fn clone(&self) -> Self {
        Self { said: self.said.clone(), holds: Arc::clone(&self.holds) }
    }
}

impl<T: Subject> Selection<T> {
    pub(super) fn new(subject: T) -> Self {
        Self { subject, conditions: Vec::new() }
    }

    /// Those of them that `holds`, whatever has been said before; `said` goes on after the plural.
    pub(super) fn narrowed(
        mut self,
        said: impl Into<String>,
        holds: impl Fn(&State, &T::Item) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.conditions.push(Condition { said: said.into(), holds: Arc::new(holds) });
        self
    }

    /// The same, said of a changed subject.
    pub(super) fn of_subject(self, change: impl FnOnce(T) -> T) -> Self {
        Self { subject: change(self.subject), ..self }
    }

    pub(super) fn subject(&self) -> &T {
        &self.subject
    }

    /// So many exist.
    pub fn count(self, number: usize) -> Expectation {
        self.quantity(Quantity::Exactly(number))
    }

    /// At least so many exist.
    pub fn at_least(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtLeast(number))
    }

    /// At most so many exist.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    /// None exists.
    pub fn none(self) -> Expectation {
        self.quantity(Quantity::Exactly(0))
    }

    /// At least one exists.
    pub fn any(self) -> Expectation {
        self.quantity(Quantity::AtLeast(1))
    }

    /// At least one exists, and each is `what`, which `holds` decides: `.all("in zone 1", |node| …)`.
    pub fn all(self, what: &str, holds: impl Fn(&T::Item) -> bool + Send + Sync + 'static) -> Expectation {
        self.each(what, move |_, item| if holds(item) { Ok(()) } else { Err("is not".to_owned()) })
    }

    /// At least one exists, and `check` has nothing to object to any; what it objects goes on after the name of the one.
    pub fn each(self, what: &str, check: impl Fn(&State, &T::Item) -> Verdict + Send + Sync + 'static) -> Expectation {
        let description = format!("{self}: all {what}");
        self.expected(description, move |state, those| {
            let why = |item: &&T::Item| check(state, item).err().map(|why| format!("{} {why}", T::label(item)));
            let objections: Vec<_> = those.iter().filter_map(why).collect();
            if objections.is_empty() { Ok(()) } else { Err(objections.join("; ")) }
        })
    }

    /// At least one exists, and none is `what`: `is` says nothing of those that are not, and of one that is how it is.
    pub fn none_is(
        self,
        what: &str,
        is: impl Fn(&State, &T::Item) -> Option<String> + Send + Sync + 'static,
    ) -> Expectation {
        let (description, what) = (format!("{self}: none {what}"), what.to_owned());
        self.expected(description, move |state, those| {
            let how = |item: &&T::Item| is(state, item).map(|how| format!("{} ({how})", T::label(item)));
            let found: Vec<_> = those.iter().filter_map(how).collect();
            if found.is_empty() { Ok(()) } else { Err(format!("{what}: {}", listed(&found))) }
        })
    }

    /// At least one exists, and `check` has nothing to object to one of them.
    pub fn one_is(
        self,
        what: &str,
        check: impl Fn(&State, &T::Item) -> Verdict + Send + Sync + 'static,
    ) -> Expectation {
        let description = format!("{self}: one {what}");
        self.expected(description, move |state, those| {
            let verdicts: Result<Vec<_>, ()> = those
                .iter()
                .map(|item| match check(state, item) {
                    Ok(()) => Err(()),
                    Err(why) => Ok(format!("{} {why}", T::label(item))),
                })
                .collect();
            verdicts.map_or(Ok(()), |objections| Err(objections.join("; ")))
        })
    }

    /// What `check` says of those that are selected, where there are any.
    pub(super) fn expected(
        self,
        description: String,
        check: impl Fn(&State, &[&T::Item]) -> Verdict + Send + Sync + 'static,
    ) -> Expectation {
        let expected = Expectation::of_selected(description, move |state| {
            let those: Vec<_> = self.of(state).collect();
            if those.is_empty() {
                return Finding::Nothing(format!("there is no such {}", T::ONE));
            }
            check(state, &those).into()
        });
        expected.needing(T::NEEDS)
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        let expected = Expectation::new(format!("{self}: {quantity}"), move |state| {
            let labels: Vec<_> = self.of(state).map(T::label).collect();
            if quantity.holds(labels.len()) { Ok(()) } else { Err(format!("{}: {}", self.subject, listed(&labels))) }
        });
        expected.needing(T::NEEDS)
    }

    /// Those that are selected in a state.
    pub(crate) fn of<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a T::Item> {
        self.subject
            .all(state)
            .filter(move |item| self.conditions.iter().all(|condition| (condition.holds)(state, item)))
    }

    /// All that was said, as it goes on after a noun: ` of p of size Standard_D2s_v5`.
    pub(super) fn said(&self) -> String {
        let said = self.conditions.iter().map(|condition| condition.said.as_str()).filter(|said| !said.is_empty());
        said.map(|said| format!(" {said}")).collect()
    }
}

impl<T: Subject> fmt::Display for Selection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.subject, self.said())
    }
}

impl<T: Subject> fmt::Debug for Selection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selection").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::node::nodes;
    use super::super::node_claim::node_claims;
    use super::super::state::tests::state_of;
    use super::*;

    fn labelled(kind: &str, name: &str, labels: &Value) -> Value {
        json!({ "kind": kind, "metadata": { "uid": format!("{kind} {name}"), "name": name, "labels": labels } })
    }

    #[test]
    fn a_second_pool_holds_beside_the_first() {
        let labels = json!({ "karpenter.sh/nodepool": "p", "kubernetes.azure.com/agentpool": "a" });
        let state = state_of(&[labelled("Node", "n", &labels), labelled("NodeClaim", "n", &labels)]);
        let holds = |expectation: Expectation| expectation.evaluate(&state) == Ok(());
        assert!(holds(nodes().of_pool("p").of_agent_pool("a").count(1)));
        assert!(holds(nodes().of_pool("p").of_agent_pool("b").none()));
        assert!(holds(nodes().of_pool("q").of_agent_pool("a").none()));
        assert!(holds(nodes().of_pool("q").of_pool("p").none()));
        assert!(holds(nodes().named("m").named("n").none()));
        assert!(holds(node_claims().of_pool("q").of_pool("p").none()));
    }

    #[test]
    fn quantities_are_of_what_is_selected() {
        let pool = |pool: &str| json!({ "karpenter.sh/nodepool": pool });
        let state = state_of(&[
            labelled("Node", "a", &pool("p")),
            labelled("Node", "b", &pool("p")),
            labelled("Node", "c", &pool("q")),
        ]);
        let of_p = || nodes().of_pool("p");
        for expectation in [of_p().count(2), of_p().at_least(2), of_p().at_most(2), of_p().any(), of_p().none().not()] {
            assert_eq!(expectation.evaluate(&state), Ok(()), "{expectation:?}");
        }
        let expected = of_p().at_most(1);
        assert_eq!(expected.description(), "nodes of p: at most 1");
        assert_eq!(expected.evaluate(&state).unwrap_err(), "nodes: 2: a, b");
    }

    #[test]
    fn what_is_expected_of_each_tells_of_those_that_are_otherwise() {
        let state = state_of(&[labelled("Node", "a", &json!({})), labelled("Node", "b", &json!({}))]);
        let named = |wanted: &'static str| move |node: &Value| node["metadata"]["name"] == wanted;
        let told = |expectation: Expectation| expectation.evaluate(&state);
        assert_eq!(told(nodes().all("called a", named("a"))).unwrap_err(), "b is not");
        assert_eq!(told(nodes().named("a").all("called a", named("a"))), Ok(()));
        let is = |name: &'static str| move |_: &State, node: &Value| named(name)(node).then(|| "so".to_owned());
        assert_eq!(told(nodes().none_is("called a", is("a"))).unwrap_err(), "called a: 1: a (so)");
        assert_eq!(told(nodes().none_is("called c", is("c"))), Ok(()));
        let called = |name: &'static str| {
            move |_: &State, node: &Value| if named(name)(node) { Ok(()) } else { Err("is called otherwise".into()) }
        };
        assert_eq!(told(nodes().one_is("called b", called("b"))), Ok(()));
        let seen = told(nodes().one_is("called c", called("c"))).unwrap_err();
        assert_eq!(seen, "a is called otherwise; b is called otherwise");
    }

    #[test]
    fn nothing_is_true_of_nothing_unless_the_scenario_says_so() {
        let nothing = state_of(&[]);
        let of_typo = || node_claims().of_pool("misspelt");
        let on_nothing = [
            of_typo().none_with_condition("Drifted"),
            of_typo().none_consolidatable_before(std::time::Duration::from_secs(30)),
            of_typo().at_most_disrupted(0),
            nodes().none_tainted("t"),
            nodes().any_tainted("t"),
            nodes().all_ready(),
        ];
        for expected in on_nothing {
            let seen = expected.evaluate(&nothing).unwrap_err();
            assert!(seen.starts_with("there is no such node"), "{expected:?}: {seen}");
            assert!(expected.clone().not().evaluate(&nothing).is_err(), "nor the opposite: {expected:?}");
            assert_eq!(expected.even_if_none().evaluate(&nothing), Ok(()));
        }
        assert!(
            node_claims().none_of(&[]).evaluate(&nothing).is_err(),
            "a pool that was misspelt had no claims before"
        );
    }
}
