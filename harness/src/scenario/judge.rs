//! The verdict on a scenario, from what it returned and what its lab has seen.

use super::invariant;
use crate::expect::{Failure, FailureKind, headline};
use crate::lab::Lab;
use crate::report::Verdict;

/// How a scenario ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With all that it expected.
    Well,
    /// With a failure, or with a reason for being skipped.
    With(Failure),
    /// With a panic, whose message is in the output.
    Panicked,
}

/// The verdict. What a lab has to show at its end, whatever the scenario was about, is judged here as well.
pub(super) fn judge(lab: &Lab, ended: &Ended) -> Verdict {
    let witness = lab.witness();
    // What the last request was answered may still be under way.
    witness.wait_until_seen();
    let text = match ended {
        Ended::Well => None,
        Ended::With(failure) => match failure.kind() {
            FailureKind::Skipped => return Verdict::Skipped { reason: failure.text().to_owned() },
            FailureKind::CouldNotRun => return Verdict::CouldNotRun { message: failure.text().to_owned() },
            FailureKind::Failed => Some(failure.text().to_owned()),
        },
        Ended::Panicked => Some(witness.explain("the scenario panicked (its message is in the output)")),
    };
    if let Some(text) = text {
        // Nothing is known about a provisioner that never started.
        return match lab.no_provisioner() {
            Some(message) => Verdict::CouldNotRun { message },
            None => failed(&text),
        };
    }
    if let Err(broken) = invariant::check(lab.history(), witness, lab.capability()) {
        return failed(&witness.explain(&broken));
    }
    if let Some((fault, message)) = lab.shown_fault() {
        return Verdict::KnownFault { fault, message };
    }
    match witness.evaluated() {
        0 => failed(&witness.explain("the scenario ended without evaluating a single assertion: it proves nothing")),
        assertions => Verdict::Passed { assertions },
    }
}

fn failed(text: &str) -> Verdict {
    Verdict::Failed { message: headline(text), body: text.to_owned() }
}
