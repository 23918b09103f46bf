//! Shows people how far the fetching is: moving bars on a terminal, a line now and then elsewhere.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::progress::words;
use super::{Component, Progress, Source, Stage};

/// A log without news for longer looks like a hang.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Writes progress to standard error. Give its [`report`](Self::report) to [`Store::resolve`](super::Store::resolve).
#[derive(Debug)]
pub struct FetchDisplay(Way);

#[derive(Debug)]
enum Way {
    Bars { screen: MultiProgress, bars: Mutex<HashMap<Subject, ProgressBar>> },
    Lines { last: Mutex<HashMap<Subject, Last>> },
}

type Subject = (Component, String);

/// The line that was printed last about a component.
#[derive(Debug)]
struct Last {
    at: Instant,
    stage: std::mem::Discriminant<Stage>,
}

impl Default for FetchDisplay {
    fn default() -> Self {
        Self::new()
    }
}

impl FetchDisplay {
    /// Bars if standard error is a terminal, lines otherwise.
    #[must_use]
    pub fn new() -> Self {
        Self(if std::io::stderr().is_terminal() {
            Way::Bars { screen: MultiProgress::new(), bars: Mutex::default() }
        } else {
            return Self::lines();
        })
    }

    /// Lines in any case: for whoever writes to the terminal besides.
    #[must_use]
    pub fn lines() -> Self {
        Self(Way::Lines { last: Mutex::default() })
    }

    /// Where the bars are, for others beside them: `None` where lines are written.
    #[must_use]
    pub fn screen(&self) -> Option<&MultiProgress> {
        match &self.0 {
            Way::Bars { screen, .. } => Some(screen),
            Way::Lines { .. } => None,
        }
    }

    /// Shows it.
    pub fn report(&self, progress: Progress) {
        // What was in the cache took no time and is no news.
        if progress.stage == (Stage::Done { source: Source::Cache }) && progress.elapsed < Duration::from_secs(1) {
            return;
        }
        let subject = (progress.component, progress.version.clone());
        match &self.0 {
            Way::Bars { screen, bars } => {
                let mut bars = bars.lock();
                let bar = bars.entry(subject).or_insert_with(|| {
                    let bar = screen.add(ProgressBar::new(0));
                    bar.set_prefix(format!("{} {}", progress.component, progress.version));
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bar
                });
                draw(bar, &progress);
            }
            Way::Lines { last } => {
                let mut last = last.lock();
                let stage = std::mem::discriminant(&progress.stage);
                let news =
                    last.get(&subject).is_none_or(|last| last.stage != stage || last.at.elapsed() >= SIGN_OF_LIFE);
                if news {
                    last.insert(subject, Last { at: Instant::now(), stage });
                    // Nobody is left to tell if this fails.
                    let _ = writeln!(std::io::stderr(), "{}", line(&progress));
                }
            }
        }
    }
}

fn draw(bar: &ProgressBar, progress: &Progress) {
    let counted = match progress.stage {
        Stage::Downloading { modules, of } if modules > 0 => Some((modules, of)),
        Stage::Compiling { done, total, .. } => Some((done, total)),
        _ => None,
    };
    let template = match counted {
        Some(_) => "{spinner} {prefix:24} {wide_msg} [{bar:24}] {elapsed:>4}",
        None => "{spinner} {prefix:24} {wide_msg} {elapsed:>4}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    if let Some((done, total)) = counted {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }
    match progress.stage {
        Stage::Done { .. } => bar.finish_with_message(doing(&progress.stage)),
        _ => bar.set_message(doing(&progress.stage)),
    }
}

/// `kubernetes 1.34.4: compiling, 512 of 1790 packages, about 2 min 10 s left (1 min 3 s)`.
fn line(progress: &Progress) -> String {
    let Progress { component, version, elapsed, stage } = progress;
    format!("{component} {version}: {} ({})", doing(stage), words(*elapsed))
}

fn doing(stage: &Stage) -> String {
    match stage {
        Stage::Queued => "waiting for its turn".to_owned(),
        Stage::WaitingForOther { process: Some(process) } => {
            format!("waiting for another catnap building it (process {process})")
        }
        Stage::WaitingForOther { process: None } => "waiting for another catnap building it".to_owned(),
        Stage::Downloading { modules: 0, .. } => "looking at the sources".to_owned(),
        Stage::Downloading { modules, of } => format!("downloading the sources, {modules} of at most {of} modules"),
        Stage::Compiling { done, total, left: None } => format!("compiling, {done} of {total} packages"),
        Stage::Compiling { done, total, left: Some(left) } => {
            format!("compiling, {done} of {total} packages, about {} left", words(*left))
        }
        Stage::Linking => "linking".to_owned(),
        Stage::Done { source: Source::Built } => "built".to_owned(),
        Stage::Done { .. } => "there".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_how_far_and_how_long() {
        let progress = Progress {
            component: Component::Kubernetes,
            version: "1.34.4".to_owned(),
            elapsed: Duration::from_secs(63),
            stage: Stage::Compiling { done: 512, total: 1790, left: Some(Duration::from_secs(130)) },
        };
        assert_eq!(
            line(&progress),
            "kubernetes 1.34.4: compiling, 512 of 1790 packages, about 2 min 10 s left (1 min 3 s)"
        );
    }

    #[test]
    fn the_other_catnap_is_named() {
        assert_eq!(
            doing(&Stage::WaitingForOther { process: Some(7) }),
            "waiting for another catnap building it (process 7)"
        );
    }
}
