//! Reading the end of a log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// As far back as an error message needs to look.
const REACH: u64 = 64 * 1024;

/// The last `lines` lines of a file, as far as they lie in its last 64 KiB; a remark in brackets where there are none.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    match end_of(path) {
        Ok(text) if text.trim().is_empty() => "(it is empty)".to_owned(),
        Ok(text) => {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("(it cannot be read: {error})"),
    }
}

fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(REACH)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_the_last_lines() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(file.path(), 2), "two\nthree");
        assert_eq!(tail(file.path(), 9), "one\ntwo\nthree");
    }

    #[test]
    fn a_missing_or_empty_log_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(tail(file.path(), 2), "(it is empty)");
        assert!(tail(Path::new("/nonexistent"), 2).starts_with("(it cannot be read"));
    }
}
