//! Whether clocks can be moved on this machine.

use std::sync::OnceLock;

use child_clock::ClockError;

/// Whether the clock of child processes can be moved here; tried once, with the system's own `date`.
///
/// # Errors
/// What the system refuses, with what would help.
pub fn probe_clock() -> Result<(), ClockError> {
    static PROBED: OnceLock<Result<(), ClockError>> = OnceLock::new();
    PROBED.get_or_init(probe).clone()
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn probe() -> Result<(), ClockError> {
    Err(ClockError::because("this is known only for Linux on x86-64 and aarch64"))
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn probe() -> Result<(), ClockError> {
    ask_date(&[])
}

/// Has `date` tell the time of a page, behind a wrapper.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn ask_date(wrapper: &[std::ffi::OsString]) -> Result<(), ClockError> {
    use std::fs::File;
    use std::io::{Read, Seek};

    use super::{ChildSpec, launch};
    use child_clock::{MovedClocks, TimePage, set_clock};

    /// A million seconds: eleven days.
    const AHEAD: i64 = 1_000_000;

    let failed = |what: &str, error: std::io::Error| ClockError::refused(what, error);
    let date = launch::tool("date").ok_or_else(|| ClockError::because("there is no command date to try it with"))?;
    let page = TimePage::new(AHEAD).map_err(|error| failed("shared memory", error))?;
    let mut output = tempfile::tempfile().map_err(|error| failed("a temporary file", error))?;
    let spec = ChildSpec::new("date", &date).arg("+%s");
    let log: &File = &output;
    let mut paused = launch::launch(&spec, wrapper, log, std::path::Path::new("/"), Some(&page))
        .map_err(|error| failed("a process", error))?;
    let pid = paused.pid();
    let set = set_clock(pid, &date, MovedClocks::ALL, || paused.resume());
    let mut child = paused.into_process();
    if set.is_err() {
        let _ = child.kill();
    }
    let status = child.wait();
    set?;
    let mut told = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut told)).map_err(|error| failed("the output", error))?;
    let ahead = told.trim().parse::<i64>().unwrap_or_default() - jiff::Timestamp::now().as_second();
    if (AHEAD - 3600..AHEAD + 3600).contains(&ahead) {
        return Ok(());
    }
    Err(ClockError::because(format!("date was to be {AHEAD} s ahead and said {:?} ({status:?})", told.trim())))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::launch;

    #[test]
    fn a_program_in_a_user_namespace_of_its_own_lives_in_the_labs_time() {
        let unshare = ["unshare", "--user", "--map-root-user", "--mount", "--"];
        // The way in which the provisioner is started for users other than root.
        if probe_clock().is_err()
            || !std::process::Command::new("unshare").args(&unshare[1..]).arg("true").status().unwrap().success()
        {
            eprintln!("skipped: no clocks or no user namespaces");
            return;
        }
        let mut wrapper = unshare.map(std::ffi::OsString::from);
        wrapper[0] = launch::tool("unshare").unwrap().into();
        ask_date(&wrapper).unwrap();
    }
}
