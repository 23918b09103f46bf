//! What is done to a child while it is stopped at its `exec`.

use std::cell::RefCell;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, regset::NT_PRSTATUS};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::ClockError;
use super::code::{Code, Function, MovedClocks};
use super::page;
use super::vdso::{self, Vdso};

/// Gives a process that is stopped at its `exec`, and traced by this thread, the clock of the page whose memory it has
/// open as [`INHERITED`](page::INHERITED), on the clocks that are `moved`. `last`: nothing comes after it that needs the
/// page too.
pub(crate) fn patch_vdso(pid: Pid, moved: MovedClocks, last: bool) -> Result<(), ClockError> {
    let vdso = Vdso::get()?;
    let base = vdso::base_of(&pid.to_string())?;
    let shared = map(pid, last)?;
    let code = Code::get();
    let real = |function| {
        vdso.functions.iter().find(|entry| entry.function == function).map_or(0, |entry| base + entry.address)
    };
    let (gettime, gettimeofday) = (real(Function::ClockGettime), real(Function::Gettimeofday));
    write(pid, shared.code, &code.bytes(gettime, gettimeofday, shared.page, moved))?;
    for entry in &vdso.functions {
        let value = (shared.code + code.entry(entry.function)).wrapping_sub(base).wrapping_add(vdso.bias);
        write(pid, base + entry.slot, &value.to_ne_bytes())?;
    }
    Ok(())
}

/// Where the two pages are in the child.
struct Mapped {
    code: u64,
    page: u64,
}

/// Lets the child map the pages.
fn map(pid: Pid, last: bool) -> Result<Mapped, ClockError> {
    let calls = Calls::begin(pid)?;
    let mapped = (|| {
        let size = page::SIZE as u64;
        let private = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let executable = (libc::PROT_READ | libc::PROT_EXEC) as u64;
        // Readable and executable from the start, and written from outside: some systems refuse a page that a process
        // could write and then execute.
        let code = calls.call("mmap", libc::SYS_mmap, [0, size, executable, private, u64::MAX, 0])?;
        let file = page::INHERITED as u64;
        let (readable, shared) = (libc::PROT_READ as u64, libc::MAP_SHARED as u64);
        let page = calls.call("mmap", libc::SYS_mmap, [0, size, readable, shared, file, 0])?;
        if last {
            calls.call("close", libc::SYS_close, [file, 0, 0, 0, 0, 0])?;
        }
        Ok(Mapped { code, page })
    })();
    calls.end()?;
    mapped
}

/// A child that makes system calls for its tracer: at the place where it will begin, its code is replaced by a system
/// call and a breakpoint for as long as this lasts.
struct Calls {
    pid: Pid,
    registers: libc::user_regs_struct,
    begin: u64,
    code: i64,
    /// Signals that came meanwhile, to be sent again.
    held: RefCell<Vec<Signal>>,
}

/// A system call and a breakpoint, and how far behind the one the other is.
#[cfg(target_arch = "x86_64")]
const CALL: i64 = i64::from_le_bytes([0x0f, 0x05, 0xcc, 0x90, 0x90, 0x90, 0x90, 0x90]);
#[cfg(target_arch = "x86_64")]
const BREAKPOINT: u64 = 2;
/// `svc #0` and `brk #0`.
#[cfg(target_arch = "aarch64")]
const CALL: i64 = i64::from_le_bytes([0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4]);

#[cfg(target_arch = "aarch64")]
const BREAKPOINT: u64 = 4;

/// Numbers from here on are errors.
const ERRORS: u64 = (-4095i64) as u64;

impl Calls {
    fn begin(pid: Pid) -> Result<Self, ClockError> {
        let registers = ptrace::getregset::<NT_PRSTATUS>(pid);
        let registers = registers.map_err(|error| ClockError::refused("ptrace, reading registers", error))?;
        let begin = program_counter(&registers) & !7;
        let code = peek(pid, begin)?;
        poke(pid, begin, CALL)?;
        let calls = Self { pid, registers, begin, code, held: RefCell::default() };
        // The kernel is still about to hand over what `execve` returned, over whatever is in that register. So the
        // breakpoint alone comes first.
        let mut registers = calls.registers;
        prepare(&mut registers, begin + BREAKPOINT, 0, [0; 6]);
        calls.run(registers)?;
        Ok(calls)
    }

    fn call(&self, name: &str, number: i64, arguments: [u64; 6]) -> Result<u64, ClockError> {
        let mut registers = self.registers;
        prepare(&mut registers, self.begin, number as u64, arguments);
        let answer = self.run(registers)?;
        if answer >= ERRORS {
            let error = nix::errno::Errno::from_raw(i32::try_from(answer.wrapping_neg()).unwrap_or_default());
            return Err(ClockError::refused(&format!("{name} in the process"), error));
        }
        Ok(answer)
    }

    /// Runs up to the breakpoint; the answer is what a system call on the way returned.
    fn run(&self, registers: libc::user_regs_struct) -> Result<u64, ClockError> {
        let traced = |error| ClockError::refused("ptrace, at a system call of the process", error);
        ptrace::setregset::<NT_PRSTATUS>(self.pid, registers).map_err(traced)?;
        loop {
            ptrace::cont(self.pid, None).map_err(traced)?;
            match waitpid(self.pid, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Stopped(_, Signal::SIGTRAP)) => break,
                // Time was moved meanwhile and everybody woken; this one has not begun to wait.
                Ok(WaitStatus::Stopped(_, Signal::SIGURG)) | Err(Errno::EINTR) => {}
                // It is to end; it does so once it runs.
                Ok(WaitStatus::Stopped(_, signal)) => self.held.borrow_mut().push(signal),
                other => {
                    return Err(ClockError::because(format!(
                        "a system call of the process was interrupted: {other:?}"
                    )));
                }
            }
        }
        Ok(answer(&ptrace::getregset::<NT_PRSTATUS>(self.pid).map_err(traced)?))
    }

    /// Puts everything back as it was.
    fn end(self) -> Result<(), ClockError> {
        poke(self.pid, self.begin, self.code)?;
        let mut registers = self.registers;
        leave(&mut registers);
        for signal in self.held.into_inner() {
            let _ = kill(self.pid, signal);
        }
        let failed = |error| ClockError::refused("ptrace, writing registers", error);
        ptrace::setregset::<NT_PRSTATUS>(self.pid, registers).map_err(failed)
    }
}

#[cfg(target_arch = "x86_64")]
fn program_counter(registers: &libc::user_regs_struct) -> u64 {
    registers.rip
}

#[cfg(target_arch = "x86_64")]
fn prepare(registers: &mut libc::user_regs_struct, begin: u64, number: u64, arguments: [u64; 6]) {
    registers.rip = begin;
    registers.rax = number;
    leave(registers);
    [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] = arguments;
}

/// The process is not in a system call that the kernel might want to begin anew.
#[cfg(target_arch = "x86_64")]
fn leave(registers: &mut libc::user_regs_struct) {
    registers.orig_rax = u64::MAX;
}

#[cfg(target_arch = "x86_64")]
fn answer(registers: &libc::user_regs_struct) -> u64 {
    registers.rax
}

#[cfg(target_arch = "aarch64")]
fn program_counter(registers: &libc::user_regs_struct) -> u64 {
    registers.pc
}

#[cfg(target_arch = "aarch64")]
fn prepare(registers: &mut libc::user_regs_struct, begin: u64, number: u64, arguments: [u64; 6]) {
    registers.pc = begin;
    registers.regs[8] = number;
    registers.regs[..6].copy_from_slice(&arguments);
}

#[cfg(target_arch = "aarch64")]
fn leave(_: &mut libc::user_regs_struct) {}

#[cfg(target_arch = "aarch64")]
fn answer(registers: &libc::user_regs_struct) -> u64 {
    registers.regs[0]
}

/// Writes into the child, whatever the protection of its pages.
fn write(pid: Pid, address: u64, bytes: &[u8]) -> Result<(), ClockError> {
    for (index, chunk) in bytes.chunks(8).enumerate() {
        let address = address + 8 * index as u64;
        let mut word = [0; 8];
        if chunk.len() < 8 {
            word = peek(pid, address)?.to_ne_bytes();
        }
        word[..chunk.len()].copy_from_slice(chunk);
        poke(pid, address, i64::from_ne_bytes(word))?;
    }
    Ok(())
}

fn peek(pid: Pid, address: u64) -> Result<i64, ClockError> {
    let failed = |error| ClockError::refused(&format!("ptrace, reading at {address:#x}"), error);
    ptrace::read(pid, pointer(address)).map_err(failed)
}

fn poke(pid: Pid, address: u64, word: i64) -> Result<(), ClockError> {
    let failed = |error| ClockError::refused(&format!("ptrace, writing at {address:#x}"), error);
    ptrace::write(pid, pointer(address), word).map_err(failed)
}

/// An address of the child, in the type that ptrace takes. It is never followed here.
fn pointer(address: u64) -> ptrace::AddressType {
    std::ptr::without_provenance_mut(usize::try_from(address).unwrap_or_default())
}
