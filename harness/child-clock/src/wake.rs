//! Interrupting the waits of a process.

#![allow(unsafe_code)]

use nix::libc;

/// Interrupts what every thread of a process waits for, so that it looks at its timers anew. `SIGURG` is what the Go
/// runtime interrupts its own threads with; programs that do not know it ignore it by default.
///
/// The caller makes sure that the process is not reaped meanwhile.
pub fn wake(pid: i32) {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.flatten() {
        let Some(id) = thread.file_name().to_str().and_then(|id| id.parse::<i32>().ok()) else { continue };
        // SAFETY: plain system call with integers; a thread that is gone makes it fail, which is fine.
        let _ = unsafe { libc::syscall(libc::SYS_tgkill, pid, id, libc::SIGURG) };
    }
}
