//! One thing that shall be true of the state.

use std::fmt;
use std::sync::Arc;

use super::state::State;

/// What an expectation finds in a state: nothing to object, or what it sees instead.
pub type Verdict = Result<(), String>;

type Check = dyn Fn(&State) -> Verdict + Send + Sync;

/// A statement about the world that holds in a state or not. It says itself what it expects, and what it sees where it
/// does not hold.
#[derive(Clone)]
#[must_use = "an expectation that nobody evaluates proves nothing"]
pub struct Expectation {
    description: String,
    check: Arc<Check>,
}

impl Expectation {
    /// A statement `description` ("pods of web: all running") that `check` decides.
    pub fn new(description: impl Into<String>, check: impl Fn(&State) -> Verdict + Send + Sync + 'static) -> Self {
        Self { description: description.into(), check: Arc::new(check) }
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
        (self.check)(state)
    }

    /// The opposite: it does not hold.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        Self::new(format!("not: {}", self.description), move |state| match self.evaluate(state) {
            Ok(()) => Err(format!("it holds: {}", self.description)),
            Err(_) => Ok(()),
        })
    }

    /// Both at once, in the same state.
    pub fn and(self, other: Self) -> Self {
        Self::new(format!("{}, and {}", self.description, other.description), move |state| {
            match (self.evaluate(state), other.evaluate(state)) {
                (Ok(()), Ok(())) => Ok(()),
                (Err(seen), Ok(())) | (Ok(()), Err(seen)) => Err(seen),
                (Err(one), Err(two)) => Err(format!("{one}; {two}")),
            }
        })
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
