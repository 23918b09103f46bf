//! The code that stands between a program and its vDSO. Copied into each child; never run in the harness.

#![allow(unsafe_code)]

use std::sync::OnceLock;

/// A function of the vDSO that tells the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    ClockGettime,
    Gettimeofday,
    Time,
}

impl Function {
    /// By its symbol, which differs between architectures.
    pub(crate) fn named(symbol: &str) -> Option<Self> {
        match symbol {
            "__vdso_clock_gettime" | "clock_gettime" | "__kernel_clock_gettime" => Some(Self::ClockGettime),
            "__vdso_gettimeofday" | "gettimeofday" | "__kernel_gettimeofday" => Some(Self::Gettimeofday),
            "__vdso_time" | "time" => Some(Self::Time),
            _ => None,
        }
    }
}

/// Where things are in the code, in bytes from its beginning.
#[derive(Debug)]
pub(crate) struct Code {
    bytes: Vec<u8>,
    clock_gettime: usize,
    gettimeofday: usize,
    time: usize,
    real_clock_gettime: usize,
    real_gettimeofday: usize,
    page: usize,
    moved: usize,
}

/// Which clocks of a process are moved: a bit for each by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedClocks(u32);

impl MovedClocks {
    /// Those that tell a date and those that timers go by.
    pub const ALL: Self = Self(0x8f3);
    /// Those that tell a date: REALTIME, REALTIME_COARSE and TAI.
    pub const DATES: Self = Self(0x821);
}

impl Code {
    /// This architecture's.
    pub(crate) fn get() -> &'static Self {
        static CODE: OnceLock<Code> = OnceLock::new();
        CODE.get_or_init(Self::assembled)
    }

    /// Where a function's replacement begins.
    pub(crate) fn entry(&self, function: Function) -> u64 {
        let offset = match function {
            Function::ClockGettime => self.clock_gettime,
            Function::Gettimeofday => self.gettimeofday,
            Function::Time => self.time,
        };
        offset as u64
    }

    /// The code, with the addresses that it needs filled in: those of the functions that it stands before (`0` where
    /// there is none; nobody calls the replacement then), and of the page with the time. `moved` clocks show it.
    pub(crate) fn bytes(
        &self,
        real_clock_gettime: u64,
        real_gettimeofday: u64,
        page: u64,
        moved: MovedClocks,
    ) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for (at, word) in [
            (self.real_clock_gettime, real_clock_gettime),
            (self.real_gettimeofday, real_gettimeofday),
            (self.page, page),
            (self.moved, u64::from(moved.0)),
        ] {
            bytes[at..at + 8].copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn assembled() -> Self {
        unsafe extern "C" {
            static catnap_clock_begin: u8;
            static catnap_clock_gettime: u8;
            static catnap_clock_gettimeofday: u8;
            static catnap_clock_time: u8;
            static catnap_clock_real_clock_gettime: u8;
            static catnap_clock_real_gettimeofday: u8;
            static catnap_clock_page: u8;
            static catnap_clock_moved: u8;
            static catnap_clock_end: u8;
        }
        let begin = &raw const catnap_clock_begin;
        let offset = |symbol: *const u8| symbol.addr() - begin.addr();
        let length = offset(&raw const catnap_clock_end);
        // SAFETY: the assembler put `length` bytes of constants between the two symbols.
        let bytes = unsafe { std::slice::from_raw_parts(begin, length) }.to_vec();
        Self {
            bytes,
            clock_gettime: offset(&raw const catnap_clock_gettime),
            gettimeofday: offset(&raw const catnap_clock_gettimeofday),
            time: offset(&raw const catnap_clock_time),
            real_clock_gettime: offset(&raw const catnap_clock_real_clock_gettime),
            real_gettimeofday: offset(&raw const catnap_clock_real_gettimeofday),
            page: offset(&raw const catnap_clock_page),
            moved: offset(&raw const catnap_clock_moved),
        }
    }
}

// The page holds nanoseconds at 0 (all clocks) and seconds at 8 (clocks that tell a date): see `page`.
//
// Clocks by number: 0 REALTIME, 1 MONOTONIC, 4 MONOTONIC_RAW, 5 REALTIME_COARSE, 6 MONOTONIC_COARSE, 7 BOOTTIME, 11 TAI.
// `moved` has the bits of those that are moved, 0x821 those of the ones that tell a date. CPU clocks (2, 3 and negative
// numbers) stay.

// Only registers that a called function may change are used, and the stack is kept aligned for the calls.
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.catnap_clock, "a", @progbits
    .balign 16
catnap_clock_begin:
catnap_clock_gettime:
    push rdi
    push rsi
    sub rsp, 8
    call qword ptr [rip + catnap_clock_real_clock_gettime]
    add rsp, 8
    pop rsi
    pop rdi
    test eax, eax
    jnz 3f
    cmp edi, 11
    ja 3f
    mov ecx, dword ptr [rip + catnap_clock_moved]
    bt ecx, edi
    jnc 3f
    mov r8, qword ptr [rip + catnap_clock_page]
    mov ecx, 0x821
    bt ecx, edi
    jnc 1f
    mov r9, qword ptr [r8 + 8]
    add qword ptr [rsi], r9
1:
    mov rax, qword ptr [r8]
    xor edx, edx
    mov ecx, 1000000000
    div rcx
    add qword ptr [rsi], rax
    add rdx, qword ptr [rsi + 8]
    cmp rdx, rcx
    jb 2f
    sub rdx, rcx
    inc qword ptr [rsi]
2:
    mov qword ptr [rsi + 8], rdx
    xor eax, eax
3:
    ret
    .balign 16
catnap_clock_gettimeofday:
    push rdi
    push rsi
    sub rsp, 8
    call qword ptr [rip + catnap_clock_real_gettimeofday]
    add rsp, 8
    pop rsi
    pop rdi
    test eax, eax
    jnz 3f
    test rdi, rdi
    jz 3f
    mov r8, qword ptr [rip + catnap_clock_page]
    mov r9, qword ptr [r8 + 8]
    add qword ptr [rdi], r9
    mov rax, qword ptr [r8]
    xor edx, edx
    mov ecx, 1000
    div rcx
    xor edx, edx
    mov ecx, 1000000
    div rcx
    add qword ptr [rdi], rax
    add rdx, qword ptr [rdi + 8]
    cmp rdx, rcx
    jb 2f
    sub rdx, rcx
    inc qword ptr [rdi]
2:
    mov qword ptr [rdi + 8], rdx
    xor eax, eax
3:
    ret
    .balign 16
catnap_clock_time:
    push rdi
    sub rsp, 16
    xor edi, edi
    mov rsi, rsp
    call catnap_clock_gettime
    mov rax, qword ptr [rsp]
    add rsp, 16
    pop rdi
    test rdi, rdi
    jz 1f
    mov qword ptr [rdi], rax
1:
    ret
    .balign 8
catnap_clock_real_clock_gettime:
    .quad 0
catnap_clock_real_gettimeofday:
    .quad 0
catnap_clock_page:
    .quad 0
catnap_clock_moved:
    .quad 0
catnap_clock_end:
    .popsection
    "#
);

#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    r#"
    .pushsection .rodata.catnap_clock, "a", @progbits
    .balign 16
catnap_clock_begin:
catnap_clock_gettime:
    stp x29, x30, [sp, #-32]!
    stp x0, x1, [sp, #16]
    ldr x9, catnap_clock_real_clock_gettime
    blr x9
    ldp x2, x1, [sp, #16]
    ldp x29, x30, [sp], #32
    cbnz w0, 3f
    cmp w2, #11
    b.hi 3f
    ldr w3, catnap_clock_moved
    lsr w3, w3, w2
    tbz w3, #0, 3f
    ldr x4, catnap_clock_page
    ldp x5, x6, [x1]
    mov w3, #0x821
    lsr w3, w3, w2
    tbz w3, #0, 1f
    ldr x7, [x4, #8]
    add x5, x5, x7
1:
    ldr x7, [x4]
    mov x8, #0xca00
    movk x8, #0x3b9a, lsl #16
    udiv x9, x7, x8
    msub x7, x9, x8, x7
    add x5, x5, x9
    add x6, x6, x7
    cmp x6, x8
    b.lo 2f
    sub x6, x6, x8
    add x5, x5, #1
2:
    stp x5, x6, [x1]
    mov w0, #0
3:
    ret
    .balign 16
catnap_clock_gettimeofday:
    stp x29, x30, [sp, #-32]!
    stp x0, x1, [sp, #16]
    ldr x9, catnap_clock_real_gettimeofday
    blr x9
    ldr x1, [sp, #16]
    ldp x29, x30, [sp], #32
    cbnz w0, 3f
    cbz x1, 3f
    ldr x4, catnap_clock_page
    ldp x5, x6, [x1]
    ldr x7, [x4, #8]
    add x5, x5, x7
    ldr x7, [x4]
    mov x8, #1000
    udiv x7, x7, x8
    mov x8, #0x4240
    movk x8, #0xf, lsl #16
    udiv x9, x7, x8
    msub x7, x9, x8, x7
    add x5, x5, x9
    add x6, x6, x7
    cmp x6, x8
    b.lo 2f
    sub x6, x6, x8
    add x5, x5, #1
2:
    stp x5, x6, [x1]
    mov w0, #0
3:
    ret
    .balign 16
catnap_clock_time:
    stp x29, x30, [sp, #-48]!
    str x0, [sp, #16]
    mov w0, #0
    add x1, sp, #32
    bl catnap_clock_gettime
    ldr x1, [sp, #16]
    ldr x0, [sp, #32]
    ldp x29, x30, [sp], #48
    cbz x1, 1f
    str x0, [x1]
1:
    ret
    .balign 8
catnap_clock_real_clock_gettime:
    .quad 0
catnap_clock_real_gettimeofday:
    .quad 0
catnap_clock_page:
    .quad 0
catnap_clock_moved:
    .quad 0
catnap_clock_end:
    .popsection
    "#
);
