//! By what a known fault is told from others.

use crate::expect::{Expectation, Failure, FailureKind, State};

/// What a known fault breaks, and by what else it shows. A failure that has it not is another one.
#[derive(Debug)]
pub struct Signature {
    assertion: String,
    sign: Option<Expectation>,
}

/// The signature of a fault that breaks the assertion whose text begins like this: `pods of web: all running`.
#[must_use]
pub fn breaks(assertion: impl Into<String>) -> Signature {
    Signature { assertion: assertion.into(), sign: None }
}

impl Signature {
    /// Something that holds when the fault has broken its assertion, and would not if another one had.
    #[must_use]
    pub fn with_sign(mut self, sign: Expectation) -> Self {
        self.sign = Some(sign);
        self
    }

    /// Whether this failure is the fault's, in a world that looks like this.
    ///
    /// # Errors
    /// What the failure lacks.
    pub fn is_of(&self, failure: &Failure, state: &State) -> Result<(), String> {
        let breaks = failure.assertion().is_some_and(|broken| broken.starts_with(&self.assertion));
        if failure.kind() != FailureKind::Failed || !breaks {
            return Err(format!("it breaks `{}`", self.assertion));
        }
        let Some(sign) = &self.sign else { return Ok(()) };
        let missing = |seen| format!("its sign is `{}`, and what was seen is: {seen}", sign.description());
        sign.evaluate(state).map_err(missing)
    }
}
