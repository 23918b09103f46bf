//! How a scenario fails: with one message from which the cause can be found.

use std::cell::RefCell;
use std::fmt;

/// What a scenario returns.
pub type Outcome = Result<(), Failure>;

thread_local! {
    /// The last failure made on this thread. A scenario runs on one thread of its own, so when its lab is dropped there
    /// this tells whether it is ending with an error, and with which.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Why a scenario failed. Made by expectations that did not hold, and by `?` from any other error.
pub struct Failure {
    text: String,
}

impl Failure {
    /// A failure with this explanation: the first line is the headline.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        LAST.with_borrow_mut(|last| *last = Some(text.clone()));
        Self { text }
    }

    /// The explanation.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Forgets the last failure that was made on this thread: it was expected, or is told in another way.
    pub(crate) fn forget_last() {
        Self::take_last();
    }

    /// Whether a failure was made on this thread and not forgotten.
    pub(crate) fn any() -> bool {
        LAST.with_borrow(Option::is_some)
    }

    /// Takes the last failure that was made on this thread.
    pub(crate) fn take_last() -> Option<String> {
        LAST.with_borrow_mut(Option::take)
    }
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
