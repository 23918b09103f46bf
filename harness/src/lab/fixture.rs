//! The fixture through which scenarios get their lab.

use rstest::fixture;

use super::{Lab, Settings, StartError};
use crate::report::{ProgressWriter, Verdict};

/// A lab for one scenario: `#[future(awt)] lab: Lab`. One that has to begin at a date and time of day, because budgets
/// or maintenance windows depend on it, says so: `#[with("2026-03-02T08:00:00Z")]`; it asks
/// [`Lab::has_patience_for`] then, because only a clock that can be moved can be set.
///
/// # Panics
/// When no lab can be stood up on this machine; the message names what is missing and the remedy.
#[fixture]
pub async fn lab(#[default("")] begin: &str) -> Lab {
    let progress = ProgressWriter::from_env();
    let settings = Settings::from_env().and_then(|mut settings| {
        if !begin.is_empty() {
            let moment = begin.parse().map_err(|error| format!("the lab cannot begin at {begin:?}: {error}"))?;
            settings.begin = Some(moment);
        }
        Ok(settings)
    });
    let started = match settings {
        Ok(settings) => Lab::start(settings, progress.clone()).await,
        Err(reason) => Err(StartError::Settings(reason)),
    };
    match started {
        Ok(lab) => lab,
        Err(error) => {
            let message = error.explain();
            progress.verdict(Verdict::CouldNotRun { message: message.clone() });
            panic!("no lab could be started: {message}");
        }
    }
}
