//! The last lines of what a process printed, and the panic among them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much of the end of a file is looked at.
const LOOKED_AT: u64 = 256 * 1024;
/// How many lines are shown.
const SHOWN: usize = 100;

/// The end of a process's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputTail {
    text: String,
}

impl OutputTail {
    /// The end of the file at `path`; empty when there is none.
    #[must_use]
    pub fn of_file(path: &Path) -> Self {
        let read = || -> std::io::Result<(Vec<u8>, bool)> {
            let mut file = File::open(path)?;
            let skipped = file.metadata()?.len().saturating_sub(LOOKED_AT);
            file.seek(SeekFrom::Start(skipped))?;
            let mut bytes = Vec::new();
            file.take(LOOKED_AT).read_to_end(&mut bytes)?;
            Ok((bytes, skipped > 0))
        };
        let (bytes, cut) = read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        // Where the file was cut, the first line may be half a line.
        let text = if cut { text.split_once('\n').map_or("", |(_, rest)| rest) } else { &text };
        Self::of_text(text)
    }

    /// The end of `text`.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let lines = without_backtraces(without_closing(&lines));
        let lines: Vec<&str> = lines.into_iter().filter(|line| !is_libtest(line)).map(without_name).collect();
        let end = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        let lines = &lines[..end];
        let start = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or(0);
        let start = start.max(end.saturating_sub(SHOWN));
        Self { text: lines[start..].join("\n") }
    }

    /// The text, without what libtest says around every test.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the last panic said, as one line: `panicked at suites/tests/a.rs:3:5: left is not right`.
    #[must_use]
    pub fn panic(&self) -> Option<String> {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().rposition(|line| line.starts_with("thread '") && line.contains(" panicked at "))?;
        let (_, place) = lines[at].split_once(" panicked at ")?;
        let said: Vec<&str> = lines[at + 1..]
            .iter()
            .take_while(|line| !line.starts_with("note: ") && !line.starts_with("stack backtrace:"))
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .take(3)
            .collect();
        Some(format!("panicked at {place} {}", said.join(" ")).trim_end().to_owned())
    }
}

/// Without libtest's list of failures, which comes last: `failures:`, the test's name, `test result: …`.
fn without_closing<'l, 't>(lines: &'l [&'t str]) -> &'l [&'t str] {
    let result = lines.iter().rposition(|line| line.starts_with("test result: "));
    let end = result.and_then(|result| lines[..result].iter().rposition(|line| *line == "failures:").or(Some(result)));
    &lines[..end.unwrap_or(lines.len())]
}

/// Without the frames of backtraces: most are of the runtime, and the file has them. Where a panic came from stands
/// above them.
fn without_backtraces<'t>(lines: &[&'t str]) -> Vec<&'t str> {
    let mut kept = Vec::new();
    let mut within = false;
    for line in lines {
        if within && is_frame(line) {
            continue;
        }
        within = *line == "stack backtrace:";
        kept.push(if within { "stack backtrace: only in the file" } else { *line });
    }
    kept
}

/// `  12: module::function` or `             at /path/file.rs:1:2`.
fn is_frame(line: &str) -> bool {
    let text = line.trim_start();
    line.starts_with(' ')
        && (text.starts_with("at ")
            || text.split_once(": ").is_some_and(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit())))
}

/// libtest writes `test <name> ... ` and leaves it to the test to go on in that line.
fn without_name(line: &str) -> &str {
    match line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
        Some((name, rest)) if !name.contains(' ') => rest,
        _ => line,
    }
}

/// Lines in which libtest speaks of a run of one test; to our reader they are noise.
fn is_libtest(line: &str) -> bool {
    let line = line.trim_end();
    matches!(line, "running 1 test" | "failures:" | "FAILED" | "ok")
        || (line.starts_with("test ")
            && (line.ends_with(" ...") || line.ends_with(" ... FAILED") || line.ends_with(" ... ok")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANICKED: &str = "
running 1 test
creating the network

thread 'a_subnet_is_used' (4711) panicked at suites/tests/custom_vnet.rs:12:5:
assertion `left == right` failed
  left: 1
 right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
test a_subnet_is_used ... FAILED

failures:

failures:
    a_subnet_is_used

test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s

";

    #[test]
    fn a_panic_is_found_with_its_place_and_its_text() {
        assert_eq!(
            OutputTail::of_text(PANICKED).panic().unwrap(),
            "panicked at suites/tests/custom_vnet.rs:12:5: assertion `left == right` failed left: 1 right: 2"
        );
    }

    #[test]
    fn what_libtest_says_is_left_out() {
        let tail = OutputTail::of_text(PANICKED);
        assert!(tail.text().starts_with("creating the network"), "{}", tail.text());
        assert!(tail.text().ends_with("to display a backtrace"), "{}", tail.text());
    }

    #[test]
    fn what_a_test_prints_behind_its_name_is_kept() {
        let text = "\nrunning 1 test\ntest drift::a ... Error: no node\nFAILED\n\nfailures:\n\nfailures:\n    a\n\ntest result: FAILED.\n";
        assert_eq!(OutputTail::of_text(text).text(), "Error: no node");
        assert_eq!(OutputTail::of_text("test of time ... passed\n").text(), "test of time ... passed");
    }

    #[test]
    fn frames_of_a_backtrace_are_left_out_and_what_comes_after_them_is_not() {
        let text = "thread 'a' panicked at a.rs:1:1:\nboom\nstack backtrace:\n   0: f\n             at /a.rs:1:2\n  \
                    12: g\nnote: Some details are omitted\n  3 nodes\n";
        assert_eq!(
            OutputTail::of_text(text).text(),
            "thread 'a' panicked at a.rs:1:1:\nboom\nstack backtrace: only in the file\nnote: Some details are omitted\n  3 nodes"
        );
    }

    #[test]
    fn output_without_a_panic_has_none() {
        assert_eq!(OutputTail::of_text("hello\n").panic(), None);
        assert_eq!(OutputTail::of_text("").text(), "");
    }

    #[test]
    fn only_the_end_of_a_long_file_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.log");
        let lines: Vec<String> = (0..100_000).map(|line| format!("line {line}")).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let tail = OutputTail::of_file(&path);
        assert_eq!(tail.text().lines().count(), SHOWN);
        assert!(tail.text().ends_with("line 99999"));
        assert_eq!(OutputTail::of_file(&folder.path().join("none")).text(), "");
    }
}
