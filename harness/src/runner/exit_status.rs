//! What became of a scenario, from what it told and how its process ended. Where the two disagree, the worse counts.

use std::time::Duration;

use crate::report::{OutputTail, Verdict};

/// How a scenario's process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// It could not be started.
    NotStarted(String),
    /// By itself, with this status.
    Exited(i32),
    /// By a signal that the runner did not send.
    Killed(i32),
    /// The runner ended it, because it took longer than this.
    TimedOut(Duration),
    /// The runner ended it, because the run was interrupted.
    Interrupted,
}

/// Judges a scenario; `step` is the last one it told.
pub(super) fn judge(ending: &Ending, told: Option<Verdict>, step: Option<&str>, output: &OutputTail) -> Verdict {
    let at_step = step.map(|step| format!(", in the step `{step}`")).unwrap_or_default();
    match (ending, told) {
        (Ending::NotStarted(why), _) => Verdict::CouldNotRun { message: why.clone() },
        (Ending::Exited(0), Some(verdict)) => verdict,
        (Ending::Exited(_), Some(verdict @ (Verdict::Failed { .. } | Verdict::CouldNotRun { .. }))) => verdict,
        (Ending::Exited(0), None) => {
            let message = "the scenario ended without a verdict: it asserted nothing (does it take a lab?)";
            died(message.to_owned(), output)
        }
        (Ending::Exited(code), Some(_)) => died(
            output
                .panic()
                .unwrap_or_else(|| format!("all that was expected held, yet the scenario ended with status {code}")),
            output,
        ),
        (Ending::Exited(code), None) => died(
            output
                .panic()
                .unwrap_or_else(|| format!("the scenario ended with status {code} and without a verdict{at_step}")),
            output,
        ),
        (Ending::Killed(_), Some(verdict @ Verdict::Failed { .. })) => verdict,
        (Ending::Killed(signal), _) => {
            died(format!("the scenario was killed by {}{at_step}", signal_name(*signal)), output)
        }
        (Ending::TimedOut(limit), told) => timed_out(*limit, told, &at_step, output),
        (Ending::Interrupted, Some(verdict @ Verdict::Failed { .. })) => verdict,
        (Ending::Interrupted, _) => Verdict::CouldNotRun { message: format!("the run was interrupted{at_step}") },
    }
}

fn timed_out(limit: Duration, told: Option<Verdict>, at_step: &str, output: &OutputTail) -> Verdict {
    let limit = crate::report::elapsed(limit);
    match told {
        None => died(format!("timed out after {limit}{at_step}"), output),
        Some(Verdict::Failed { message, body }) => Verdict::Failed {
            message: format!("timed out after {limit}: {message}"),
            body: format!("{message}\n{body}"),
        },
        Some(Verdict::CouldNotRun { message }) => Verdict::CouldNotRun { message },
        Some(Verdict::Passed { .. } | Verdict::KnownFault { .. } | Verdict::Skipped { .. }) => {
            died(format!("timed out after {limit} while it cleaned up; all that was expected had held"), output)
        }
    }
}

fn died(message: String, output: &OutputTail) -> Verdict {
    let body = match output.text() {
        "" => format!("{message}\n\nIt printed nothing."),
        text => format!("{message}\n\nIts last lines of output:\n\n{text}"),
    };
    Verdict::Failed { message, body }
}

fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(name) => format!("signal {signal} ({name})"),
        Err(_) => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> Option<Verdict> {
        Some(Verdict::Passed { assertions: 1 })
    }

    fn failed() -> Option<Verdict> {
        Some(Verdict::Failed { message: "no node".into(), body: "story".into() })
    }

    fn message(ending: Ending, told: Option<Verdict>, output: &str) -> String {
        match judge(&ending, told, Some("wait for nodes"), &OutputTail::of_text(output)) {
            Verdict::Failed { message, .. } => message,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_verdict_counts_where_the_process_agrees() {
        let none = OutputTail::default();
        for (code, verdict) in [
            (0, passed().unwrap()),
            (0, Verdict::Skipped { reason: "no clock".into() }),
            (0, failed().unwrap()),
            (101, failed().unwrap()),
            (101, Verdict::CouldNotRun { message: "no Go".into() }),
        ] {
            assert_eq!(judge(&Ending::Exited(code), Some(verdict.clone()), None, &none), verdict, "status {code}");
        }
    }

    #[test]
    fn a_process_that_ends_badly_after_it_passed_has_failed() {
        let text = message(Ending::Exited(101), passed(), "");
        assert_eq!(text, "all that was expected held, yet the scenario ended with status 101");
        let panicked = "thread 'a' panicked at a.rs:1:1:\nin clean-up\n";
        assert_eq!(message(Ending::Exited(101), passed(), panicked), "panicked at a.rs:1:1: in clean-up");
    }

    #[test]
    fn a_process_that_dies_without_a_verdict_has_failed_and_its_last_lines_say_why() {
        let output = OutputTail::of_text("thread 'a' panicked at a.rs:1:1:\nboom\n");
        let Verdict::Failed { message, body } = judge(&Ending::Exited(101), None, None, &output) else { panic!() };
        assert_eq!(message, "panicked at a.rs:1:1: boom");
        assert!(body.contains("last lines") && body.contains("boom"), "{body}");
    }

    #[test]
    fn success_without_a_verdict_is_no_success() {
        assert!(message(Ending::Exited(0), None, "").contains("asserted nothing"));
    }

    #[test]
    fn a_signal_and_a_timeout_name_themselves_and_the_step() {
        let text = message(Ending::Killed(9), None, "");
        assert_eq!(text, "the scenario was killed by signal 9 (SIGKILL), in the step `wait for nodes`");
        let text = message(Ending::TimedOut(Duration::from_secs(900)), None, "");
        assert_eq!(text, "timed out after 15m00s, in the step `wait for nodes`");
        let text = message(Ending::TimedOut(Duration::from_secs(9)), failed(), "");
        assert_eq!(text, "timed out after 9.0s: no node");
        assert!(message(Ending::TimedOut(Duration::from_secs(9)), passed(), "").contains("cleaned up"));
    }

    #[test]
    fn an_interrupted_scenario_could_not_run_unless_it_had_failed() {
        assert!(message(Ending::Interrupted, passed(), "").contains("CouldNotRun"));
        assert_eq!(message(Ending::Interrupted, failed(), ""), "no node");
    }

    #[test]
    fn a_process_that_cannot_be_started_could_not_run() {
        assert!(message(Ending::NotStarted("no such file".into()), None, "").contains("CouldNotRun"));
    }
}
