//! One thing that shall be true of the state.

use std::fmt;
use std::sync::Arc;

use super::state::State;

/// What an expectation finds in a state: nothing to object, or what it sees instead.
pub type Verdict = Result<(), String>;

/// What there is to say of a state.
pub(super) enum Finding {
    /// It is as expected.
    Holds,
    /// It is not: this is seen instead.
    Sees(String),
    /// There is nothing of which anything was expected, so that neither the expectation nor its opposite holds.
    Nothing(String),
}

impl From<Verdict> for Finding {
    fn from(verdict: Verdict) -> Self {
        verdict.map_or_else(Self::Sees, |()| Self::Holds)
    }
}

type Check = dyn Fn(&State) -> Finding + Send + Sync;

/// What of Azure an expectation goes by, besides what Kubernetes shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Resources, which some targets are only asked for now and then.
    pub(super) resources: bool,
    /// Requests of whomever, which some targets do not tell.
    pub(super) requests: bool,
}

impl Needs {
    pub(super) const REQUESTS: Self = Self { resources: false, requests: true };
    pub(super) const RESOURCES: Self = Self { resources: true, requests: false };

    fn and(self, other: Self) -> Self {
        Self { resources: self.resources || other.resources, requests: self.requests || other.requests }
    }
}

/// A statement about the world that holds in a state or not. It says itself what it expects, and what it sees where it
/// does not hold.
#[derive(Clone)]
#[must_use = "an expectation that nobody evaluates proves nothing"]
pub struct Expectation {
    description: String,
    check: Arc<Check>,
    needs: Needs,
}

impl Expectation {
    /// A statement `description` ("pods of web: all running") that `check` decides.
    pub fn new(description: impl Into<String>, check: impl Fn(&State) -> Verdict + Send + Sync + 'static) -> Self {
        Self::of_selected(description, move |state| check(state).into())
    }

    /// A statement about selected things, which `check` also finds to be about nothing.
    pub(super) fn of_selected(
        description: impl Into<String>,
        check: impl Fn(&State) -> Finding + Send + Sync + 'static,
    ) -> Self {
        Self { description: description.into(), check: Arc::new(check), needs: Needs::default() }
    }

    /// It goes by this.
    pub(super) fn needing(self, needs: Needs) -> Self {
        Self { needs: self.needs.and(needs), ..self }
    }

    /// What it goes by.
    pub(super) fn needs(&self) -> Needs {
        self.needs
    }

    /// What is expected.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Whether it holds in `state`.
    ///
    /// # Errors
    /// What is seen instead.
    pub fn evaluate(&self, state: &State) -> Verdict {
        match (self.check)(state) {
            Finding::Holds => Ok(()),
            Finding::Sees(seen) | Finding::Nothing(seen) => Err(seen),
        }
    }

    /// It also holds where there is nothing of which anything was expected. Without this
    /// `node_claims().of_pool("p").none_with_condition("Drifted")` wants a node claim that could have drifted.
    pub fn even_if_none(self) -> Self {
        let (description, needs) = (format!("{}, if there are any", self.description), self.needs);
        let or_none = Self::of_selected(description, move |state| match (self.check)(state) {
            Finding::Nothing(_) => Finding::Holds,
            finding => finding,
        });
        or_none.needing(needs)
    }

    /// The opposite: it does not hold. Of nothing neither it nor its opposite holds.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        let needs = self.needs;
        let opposite =
            Self::of_selected(format!("not: {}", self.description), move |state| match (self.check)(state) {
                Finding::Holds => Finding::Sees(format!("it holds: {}", self.description)),
                Finding::Sees(_) => Finding::Holds,
                nothing => nothing,
            });
        opposite.needing(needs)
    }

    /// Both at once, in the same state.
    pub fn and(self, other: Self) -> Self {
        use Finding::{Holds, Nothing, Sees};
        let needs = self.needs.and(other.needs);
        let both = Self::of_selected(format!("{}, and {}", self.description, other.description), move |state| {
            match ((self.check)(state), (other.check)(state)) {
                (Holds, finding) | (finding, Holds) => finding,
                (Nothing(one), Nothing(two)) => Nothing(format!("{one}; {two}")),
                (Sees(one) | Nothing(one), Sees(two) | Nothing(two)) => Sees(format!("{one}; {two}")),
            }
        });
        both.needing(needs)
    }
}

impl fmt::Debug for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expectation").field(&self.description).finish()
    }
}

/// Compares a number with what is expected of it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Quantity {
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
}

impl Quantity {
    pub(crate) fn holds(self, number: usize) -> bool {
        match self {
            Self::Exactly(wanted) => number == wanted,
            Self::AtLeast(least) => number >= least,
            Self::AtMost(most) => number <= most,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(0) => write!(f, "none"),
            Self::Exactly(number) => write!(f, "exactly {number}"),
            Self::AtLeast(number) => write!(f, "at least {number}"),
            Self::AtMost(number) => write!(f, "at most {number}"),
        }
    }
}

/// `5: a, b, c, …` or `none`.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "none".to_owned(),
        count if count <= SHOWN => format!("{count}: {}", names.join(", ")),
        count => format!("{count}: {}, …", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_nothing() -> Expectation {
        Expectation::of_selected("all green", |_| Finding::Nothing("there is none".to_owned()))
    }

    #[test]
    fn what_is_about_nothing_holds_only_where_that_is_said() {
        let state = State::default();
        let (yes, no) = (Expectation::new("yes", |_| Ok(())), Expectation::new("no", |_| Err("no".to_owned())));
        assert_eq!(of_nothing().evaluate(&state).unwrap_err(), "there is none");
        assert_eq!(of_nothing().not().evaluate(&state).unwrap_err(), "there is none");
        assert_eq!(of_nothing().and(yes.clone()).not().evaluate(&state).unwrap_err(), "there is none");
        assert_eq!(of_nothing().even_if_none().evaluate(&state), Ok(()));
        assert_eq!(of_nothing().and(yes).even_if_none().evaluate(&state), Ok(()));
        assert_eq!(of_nothing().and(no.clone()).even_if_none().evaluate(&state).unwrap_err(), "there is none; no");
        assert_eq!(no.even_if_none().evaluate(&state).unwrap_err(), "no");
    }
}
