//! The fixture through which scenarios get their lab.

use rstest::fixture;

use super::{Lab, Settings, StartError};
use crate::report::{ProgressWriter, Verdict};

/// A lab for one scenario: `#[future(awt)] lab: Lab`.
///
/// # Panics
/// When no lab can be stood up on this machine; the message names what is missing and the remedy.
#[fixture]
pub async fn lab() -> Lab {
    let progress = ProgressWriter::from_env();
    let started = match Settings::from_env() {
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
