//! A history that was written down, to be looked at again.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::event::Record;
use crate::format::{Format, NewerFormat};

/// The format of the file. Version 1 is the first that is said; files of before begin with their first record.
const FORMAT: Format = Format::new("histories", 1);

/// The first line: `{"format":1}`.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
}

/// Writes the first line.
pub(super) fn write_header(mut file: impl Write) -> std::io::Result<()> {
    serde_json::to_writer(&mut file, &Header { format: FORMAT.version() })?;
    file.write_all(b"\n")
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("cannot read the history {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A line of it is no record.
    #[error("line {line} of {} is no record of a history: {source}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Cause.
        source: serde_json::Error,
    },
    /// A newer catnap has written it.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
}

/// Reads a history (JSON Lines) as [`History`](super::History) writes it. A last line without an end is left out: whoever
/// wrote it was stopped in the middle.
///
/// # Errors
/// [`ReadError`], with file and line.
pub fn read(file: &Path) -> Result<Vec<Record>, ReadError> {
    let io = |source| ReadError::Io { file: file.to_path_buf(), source };
    let mut lines = BufReader::new(File::open(file).map_err(io)?);
    let (mut records, mut text) = (Vec::new(), String::new());
    for line in 1.. {
        text.clear();
        if lines.read_line(&mut text).map_err(io)? == 0 || !text.ends_with('\n') {
            break;
        }
        if line == 1
            && let Ok(Header { format }) = serde_json::from_str(&text)
        {
            FORMAT.check(file, format)?;
            continue;
        }
        let bad = |source| ReadError::Line { file: file.to_path_buf(), line, source };
        records.push(serde_json::from_str(&text).map_err(bad)?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::LabClock;
    use crate::history::{Event, History};

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let history = History::new(LabClock::real(), Some(&path)).unwrap();
        for text in ["one", "two"] {
            history.record(Event::Step { text: text.into() });
        }
        let mut written = std::fs::read_to_string(&path).unwrap();
        written += r#"{"sequence":3,"at""#;
        std::fs::write(&path, written).unwrap();
        let steps: Vec<_> = read(&path)
            .unwrap()
            .into_iter()
            .filter_map(|record| match record.event {
                Event::Step { text } => Some((record.sequence, text)),
                _ => None,
            })
            .collect();
        assert_eq!(steps, [(1, "one".to_owned()), (2, "two".to_owned())]);
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().starts_with("line 1 of "));
        std::fs::write(&path, "{\"format\":1}\nno record\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().starts_with("line 2 of "));
    }

    #[test]
    fn a_history_says_its_format_and_a_newer_one_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let history = History::new(LabClock::real(), Some(&path)).unwrap();
        assert!(read(&path).unwrap().is_empty());
        history.record(Event::Step { text: "one".into() });
        let written = std::fs::read_to_string(&path).unwrap();
        let (header, record) = written.split_once('\n').unwrap();
        assert_eq!(header, r#"{"format":1}"#);

        std::fs::write(&path, format!("{{\"format\":2,\"more\":true}}\n{record}")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("history.jsonl has version 2 of the format of histories"), "{error}");
        // One of before formats were said.
        std::fs::write(&path, record).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }
}
