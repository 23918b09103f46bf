//! Shows that the suites are being built: to standard error, so that a list on standard output stays a list.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// The build of the suites, as it is shown.
#[derive(Debug)]
pub(super) enum Building {
    Terminal(ProgressBar),
    Lines,
}

impl Building {
    pub(super) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr(), "building the suites");
            return Self::Lines;
        }
        let style = ProgressStyle::with_template("{spinner} building the suites {elapsed} {wide_msg}");
        let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Terminal(bar)
    }

    /// cargo said something.
    pub(super) fn said(&self, line: &str) {
        match self {
            Self::Terminal(bar) => bar.set_message(line.to_owned()),
            Self::Lines if line.starts_with("Compiling") || line.starts_with("Blocking") => {
                let _ = writeln!(std::io::stderr(), "  {line}");
            }
            Self::Lines => {}
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Self::Terminal(bar) = self {
            bar.finish_and_clear();
        }
    }
}
