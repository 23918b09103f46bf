//! Why the clock of a process cannot be moved.

/// The clock of child processes cannot be moved on this machine; waits take real time then.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the clock of processes cannot be moved here: {reason}{}", remedies.iter().map(|remedy| format!("\n- {remedy}")).collect::<String>())]
pub struct ClockError {
    reason: String,
    remedies: Vec<String>,
}

impl ClockError {
    /// Of the system's call `what`.
    pub fn refused(what: &str, error: impl std::fmt::Display) -> Self {
        Self::because(format!("{what}: {error}"))
    }

    /// With what this machine's settings suggest.
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedies: remedies() }
    }

    /// The reason in one line, without remedies.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// What would help.
    #[must_use]
    pub fn remedies(&self) -> &[String] {
        &self.remedies
    }
}

fn remedies() -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return vec!["run it on Linux, in a virtual machine for example".to_owned()];
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "2" | "3" => vec![
            "kernel.yama.ptrace_scope forbids a process to trace its children: sudo sysctl -w kernel.yama.ptrace_scope=1 \
             (3 can be changed only by a restart of the machine)"
                .to_owned(),
        ],
        _ => vec!["in a container, allow it to trace: docker run --cap-add SYS_PTRACE --security-opt seccomp=unconfined".to_owned()],
    }
}
