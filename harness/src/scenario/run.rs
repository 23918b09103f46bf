//! What a scenario runs in.

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use jiff::Timestamp;

use super::judge::{Ended, judge};
use crate::expect::{Failure, Outcome};
use crate::lab::Lab;
use crate::report::{ProgressWriter, Verdict};
use crate::settings::Settings;
use crate::target::StartError;

/// What a scenario says of itself in its attribute, before a lab stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    /// The moment (RFC 3339) at which its lab begins; it is skipped where time cannot be moved.
    pub begins: Option<&'static str>,
    /// It creates no cluster.
    pub azure_only: bool,
}

/// Stands up the lab that the environment asks for, runs a scenario in it, judges what it returned, tells the verdict
/// and takes everything down.
///
/// # Errors
/// When the scenario failed, an invariant is broken, nothing was asserted, or no lab could be stood up on this machine;
/// the text names what is missing and the remedy. A scenario that is skipped is no error.
pub async fn run<F>(needs: Needs, scenario: F) -> Outcome
where
    F: AsyncFnOnce(&Lab) -> Outcome,
{
    let progress = ProgressWriter::from_env();
    let lab = lab(needs, progress.clone()).await;
    run_in(lab, progress, scenario).await
}

/// The same in a lab that was to be started, with the writer that it tells its progress by.
pub(super) async fn run_in<F>(lab: Result<Lab, StartError>, progress: ProgressWriter, scenario: F) -> Outcome
where
    F: AsyncFnOnce(&Lab) -> Outcome,
{
    let mut lab = match lab {
        Ok(lab) => lab,
        Err(error @ StartError::NotHere { .. }) => {
            let reason = error.explain();
            eprintln!("skipped: {reason}");
            progress.verdict(Verdict::Skipped { reason });
            return Ok(());
        }
        Err(error) => {
            let message = error.explain();
            progress.verdict(Verdict::CouldNotRun { message: message.clone() });
            return Err(Failure::could_not_run(format!("no lab could be started: {message}")));
        }
    };
    let ended = match lab.can_begin() {
        Ok(()) => AssertUnwindSafe(scenario(&lab)).catch_unwind().await,
        Err(skipped) => Ok(Err(skipped)),
    };
    let (ended, panic) = match ended {
        Ok(Ok(())) => (Ended::Well, None),
        Ok(Err(failure)) => (Ended::With(failure), None),
        Err(panic) => (Ended::Panicked, Some(panic)),
    };
    let verdict = judge(&lab, &ended);
    progress.costs(lab.costs());
    let verdict = match (lab.take_down(), verdict) {
        (Err(left), Verdict::Passed { .. } | Verdict::KnownFault { .. } | Verdict::Skipped { .. }) => {
            Verdict::Failed { message: left.clone(), body: left }
        }
        // What went wrong first is told; what is left stands beside it.
        (Err(left), verdict) => {
            eprintln!("{left}");
            verdict
        }
        (Ok(()), verdict) => verdict,
    };
    progress.verdict(verdict.clone());
    if let Verdict::Failed { .. } | Verdict::CouldNotRun { .. } = verdict {
        lab.keep_folder();
    }
    drop(lab);
    match (panic, verdict) {
        (Some(panic), _) => resume_unwind(panic),
        (None, Verdict::Failed { body, .. }) => Err(Failure::new(body)),
        (None, Verdict::CouldNotRun { message }) => Err(Failure::could_not_run(message)),
        (None, Verdict::Skipped { reason }) => {
            eprintln!("skipped: {reason}");
            Ok(())
        }
        (None, Verdict::Passed { .. } | Verdict::KnownFault { .. }) => Ok(()),
    }
}

async fn lab(needs: Needs, progress: ProgressWriter) -> Result<Lab, StartError> {
    let mut settings = Settings::from_env().map_err(StartError::Settings)?;
    settings.azure_only = needs.azure_only;
    if let Some(begins) = needs.begins {
        let moment: Result<Timestamp, _> = begins.parse();
        let moment = moment.map_err(|error| format!("the lab cannot begin at {begins:?}: {error}"));
        settings.begin = Some(moment.map_err(StartError::Settings)?);
    }
    Lab::start(settings, progress).await
}
