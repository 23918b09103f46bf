//! How a scenario ends where it does not end well: a value that `?` passes on.

use std::fmt;

/// What a scenario returns.
pub type Outcome = Result<(), Failure>;

/// What kind of end a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// Something that was expected did not hold, or something that had to be done could not be done.
    Failed,
    /// The lab cannot do, or does not have, what the scenario needs.
    Skipped,
    /// The world that the scenario needs could not be had, so nothing is known about the provisioner.
    CouldNotRun,
}

/// Why a scenario does not go on. Made by expectations that did not hold, by what a scenario needs and does not get, and
/// by `?` from any other error.
pub struct Failure {
    kind: FailureKind,
    text: String,
    assertion: Option<String>,
}

impl Failure {
    /// A failure with this explanation: the first line is the headline.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { kind: FailureKind::Failed, text: text.into(), assertion: None }
    }

    /// The scenario is not for this lab, for this reason.
    #[must_use]
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self { kind: FailureKind::Skipped, ..Self::new(reason) }
    }

    /// The scenario could not run. The text says what was missing, where, and what to do.
    #[must_use]
    pub fn could_not_run(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::CouldNotRun, ..Self::new(message) }
    }

    /// The same, as the failure of an assertion whose text this is: `pods of web: all running within 5m`.
    #[must_use]
    pub fn of_assertion(mut self, assertion: &str) -> Self {
        self.assertion = Some(assertion.to_owned());
        self
    }

    /// The same with more to say at its end.
    #[must_use]
    pub(crate) fn with_note(mut self, note: &str) -> Self {
        self.text += "\n\n";
        self.text += note;
        self
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The explanation.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What was expected and what was seen, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        headline(&self.text)
    }

    /// The text of the assertion that did not hold: `None` where something else went wrong.
    #[must_use]
    pub fn assertion(&self) -> Option<&str> {
        self.assertion.as_deref()
    }
}

/// What was expected and, on the next line, what was seen: enough for a list of results.
pub(crate) fn headline(text: &str) -> String {
    let lines: Vec<_> = text.lines().take(2).map(str::trim).collect();
    let seen = lines.get(1).filter(|line| line.starts_with("seen: "));
    [lines.first(), seen].into_iter().flatten().copied().collect::<Vec<_>>().join("; ")
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text += &format!("\n  caused by: {cause_text}");
            }
            source = cause.source();
        }
        Self::new(text)
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
