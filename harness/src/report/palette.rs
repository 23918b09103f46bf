//! Colours, where there is a terminal to show them.

use std::io::IsTerminal;
use std::time::Duration;

use owo_colors::{OwoColorize, Style};

use super::scenario::Verdict;

/// Whether text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    colours: bool,
}

impl Palette {
    /// Without colours: files, pipes.
    pub const PLAIN: Self = Self { colours: false };

    /// What fits `stream`: colours on a terminal, unless `NO_COLOR` is set or the terminal is a dumb one.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { colours: stream.is_terminal() && !refused && !dumb }
    }

    fn paint(self, text: &str, style: Style) -> String {
        if self.colours { text.style(style).to_string() } else { text.to_owned() }
    }

    /// Something that went well.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.paint(text, Style::new().green())
    }

    /// Something that went wrong.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.paint(text, Style::new().red().bold())
    }

    /// Something to be aware of.
    #[must_use]
    pub fn caution(self, text: &str) -> String {
        self.paint(text, Style::new().yellow())
    }

    /// A heading.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }

    /// Something of lesser weight.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    /// The word for a verdict, all of one width.
    #[must_use]
    pub fn verdict(self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Passed { .. } => self.good("PASS "),
            Verdict::Failed { .. } => self.bad("FAIL "),
            Verdict::CouldNotRun { .. } => self.bad("ERROR"),
            Verdict::KnownFault { .. } => self.caution("KNOWN"),
            Verdict::Skipped { .. } => self.caution("SKIP "),
        }
    }
}

/// A duration as people read it: `0.4s`, `12.3s`, `2m05s`, `1h02m`.
pub(crate) fn elapsed(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        // Rounded, so that 59.96 s must not read 60.0s.
        0..=59 => format!("{:.1}s", time.as_secs_f64().min(59.9)),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_text_is_left_alone() {
        assert_eq!(Palette::PLAIN.bad("no"), "no");
        assert_eq!(Palette::PLAIN.verdict(&Verdict::Passed { assertions: 1 }), "PASS ");
        assert!(Palette { colours: true }.bad("no").contains('\u{1b}'));
    }

    #[test]
    fn times_are_short() {
        for (milliseconds, text) in
            [(40, "0.0s"), (12_340, "12.3s"), (59_980, "59.9s"), (125_000, "2m05s"), (3_725_000, "1h02m")]
        {
            assert_eq!(elapsed(Duration::from_millis(milliseconds)), text);
        }
    }
}
