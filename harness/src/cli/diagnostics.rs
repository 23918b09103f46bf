//! What is told when a command cannot do what it is asked for: what, where, and what to do about it.

use std::fmt::Write as _;

use miette::Report;

use crate::report::Palette;

/// Tells it on standard error.
pub(super) fn tell(trouble: &Report) {
    eprint!("{}", text(trouble, Palette::of(&std::io::stderr())));
}

fn text(trouble: &Report, palette: Palette) -> String {
    // Trouble with a text the user wrote shows the place in it.
    if trouble.source_code().is_some() {
        return format!("{trouble:?}\n");
    }
    let mut text = format!("{} {trouble}\n", palette.bad("error:"));
    let mut said = trouble.to_string();
    for cause in trouble.chain().skip(1).map(ToString::to_string) {
        // Many texts hold their cause already.
        if !said.contains(&cause) {
            let _ = writeln!(text, "  because: {cause}");
            said = cause;
        }
    }
    if let Some(help) = trouble.help() {
        let _ = writeln!(text, "{} {help}", palette.caution("help:"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::RunnerError;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let cause = std::io::Error::from_raw_os_error(13);
        let trouble = Report::from(RunnerError::Folder { folder: "/a".into(), cause }).wrap_err("no run was started");
        insta::assert_snapshot!(text(&trouble, Palette::PLAIN), @r"
        error: no run was started
          because: failed to prepare the folder /a: Permission denied (os error 13)
        help: name a folder that this user can write to, with --artefacts or --junit
        ");
    }
}
