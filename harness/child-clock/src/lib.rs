//! The movable clock of child processes: the programs stay untouched, but the time that they read is the machine's plus
//! what a page of memory says that they all share. Moving their time on is one store into that page; their waits are
//! then interrupted, so that they look at their timers anew.
//!
//! How: a child is stopped at its `exec` (ptrace), two pages are mapped into it (the shared page, and a few lines of
//! machine code that call the vDSO's own function and add what the page says), and the symbols of its vDSO are led to
//! that code. Nothing has run in the child before, so no program has looked the symbols up yet. Then it runs on,
//! untraced.
//!
//! Rules: time only moves on, for all processes of a lab at the same instant. CPU clocks are not touched. What waits in
//! the kernel by itself (`nanosleep`, `timerfd`) waits in real time; the Go runtime does neither.

#[cfg(target_os = "linux")]
mod activity;
#[cfg(target_os = "linux")]
mod code;
#[cfg(target_os = "linux")]
mod page;
#[cfg(target_os = "linux")]
mod tracer;
#[cfg(target_os = "linux")]
mod vdso;
#[cfg(target_os = "linux")]
mod vdso_patch;
#[cfg(target_os = "linux")]
mod wake;

mod error;
#[cfg(not(target_os = "linux"))]
mod unsupported;

#[cfg(target_os = "linux")]
pub use activity::{Activity, own_thread};
#[cfg(target_os = "linux")]
pub use code::MovedClocks;
pub use error::ClockError;
#[cfg(target_os = "linux")]
pub use page::INHERITED;
#[cfg(target_os = "linux")]
pub use page::TimePage;
#[cfg(target_os = "linux")]
pub use tracer::set_clock;
#[cfg(not(target_os = "linux"))]
pub use unsupported::{Activity, TimePage, own_thread, set_clock, wake};
#[cfg(not(target_os = "linux"))]
pub use unsupported::{INHERITED, MovedClocks};
#[cfg(target_os = "linux")]
pub use wake::wake;
