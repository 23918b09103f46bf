//! The one command that runs a scenario again with the same seed.

use std::path::Path;

use super::environment;
use super::scenario::ScenarioId;

/// The command that repeats the scenario `id` with `seed`, fit to be pasted into a shell. A scenario calls this for its
/// failure message; under a runner the answer is the runner's own command.
#[must_use]
pub fn repeat_command(id: &ScenarioId, seed: u64) -> String {
    match std::env::var(environment::REPEAT) {
        Ok(command) if !command.is_empty() => command,
        _ => format!("CATNAP_SEED={seed} cargo test -p suites --test {} -- --exact {}", id.suite(), quoted(id.name())),
    }
}

/// How this program was started, up to its own arguments: `cargo run --release --` from a clone, else the executable.
#[must_use]
pub fn runner_command() -> String {
    let executable = std::env::args_os().next().unwrap_or_else(|| "catnap".into());
    // Set by `cargo run` for the program that it starts, which becomes this one.
    let by_cargo = std::env::var("CARGO_PKG_NAME").is_ok_and(|name| name == "launch");
    command_of(Path::new(&executable), by_cargo)
}

fn command_of(executable: &Path, by_cargo: bool) -> String {
    if !by_cargo {
        return quoted(&executable.to_string_lossy());
    }
    match executable.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("debug") | None => "cargo run --".to_owned(),
        Some("release") => "cargo run --release --".to_owned(),
        Some(profile) => format!("cargo run --profile {} --", quoted(profile)),
    }
}

/// A word as a POSIX shell reads it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_the_one_the_user_typed() {
        assert_eq!(command_of(Path::new("target/release/catnap"), true), "cargo run --release --");
        assert_eq!(command_of(Path::new("target/debug/catnap"), true), "cargo run --");
        assert_eq!(command_of(Path::new("target/bench/catnap"), true), "cargo run --profile bench --");
        assert_eq!(command_of(Path::new("/opt/cat nap/catnap"), false), "'/opt/cat nap/catnap'");
        assert_eq!(command_of(Path::new("catnap"), false), "catnap");
    }

    #[test]
    fn words_are_quoted_only_where_a_shell_would_split_them() {
        assert_eq!(quoted("custom_vnet::a"), "custom_vnet::a");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
