//! Shows that something is being built: to standard error, so that a list on standard output stays a list.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// A build, as it is shown.
#[derive(Debug)]
pub struct Building(Way);

#[derive(Debug)]
enum Way {
    Terminal(ProgressBar),
    Lines,
}

impl Building {
    /// Begins to show that `what` is being built, on a terminal among the bars of `screen`, where there is one.
    #[must_use]
    pub fn start(what: &str, screen: Option<&MultiProgress>) -> Self {
        if !std::io::stderr().is_terminal() {
            let _ = writeln!(std::io::stderr(), "building {what}");
            return Self(Way::Lines);
        }
        let style = ProgressStyle::with_template("{spinner} building {prefix} {elapsed} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let mut bar = ProgressBar::new_spinner();
        if let Some(screen) = screen {
            bar = screen.add(bar);
        }
        bar.set_style(style);
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Way::Terminal(bar))
    }

    /// cargo said something.
    pub fn said(&self, line: &str) {
        match &self.0 {
            Way::Terminal(bar) => bar.set_message(line.to_owned()),
            Way::Lines if line.starts_with("Compiling") || line.starts_with("Blocking") => {
                let _ = writeln!(std::io::stderr(), "  {line}");
            }
            Way::Lines => {}
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        if let Way::Terminal(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
