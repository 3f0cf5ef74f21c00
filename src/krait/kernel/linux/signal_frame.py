"""What a signal handler finds on its stack, byte for byte as Linux puts it there.

    higher addresses
        vector state, XSAVE format, 64-byte aligned, then FP_XSTATE_MAGIC2
        SignalFrame: return address (the restorer), ucontext, siginfo
    lower addresses, the handler's stack pointer, 8 below a multiple of 16

Programs read and change it (the JVM and Go move the instruction pointer), libgcc unwinds through it
and recognises it by the code at the restorer, and rt_sigreturn(2) takes every register back from
it. arch/x86/include/asm/sigframe.h, arch/x86/include/uapi/asm/sigcontext.h, ucontext.h.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import Array, Packed, i32, inline, size_of, static_assert, u16, u32, u64

RED_ZONE: Final = 128  # System V ABI, AMD64 supplement, 3.2.2
USER_CS: Final = 0x33  # what Linux programs see, though they run in ring 0 here
USER_SS: Final = 0x2B

UC_FP_XSTATE: Final = 1
UC_SIGCONTEXT_SS: Final = 2
UC_STRICT_RESTORE_SS: Final = 4

FP_XSTATE_MAGIC1: Final = 0x46505853
FP_XSTATE_MAGIC2: Final = 0x46505845
MAGIC2_SIZE: Final = 4
SOFTWARE_BYTES: Final = 464
"""Where in the FXSAVE area the processor leaves room for software."""


class SignalStack(Packed):
    """`stack_t`, sigaltstack(2)."""

    address: u64 = 0
    flags: u32 = 0
    padding: u32 = 0
    size: u64 = 0


class MachineContext(Packed):
    """`struct sigcontext`: the interrupted registers."""

    r8: u64 = 0
    r9: u64 = 0
    r10: u64 = 0
    r11: u64 = 0
    r12: u64 = 0
    r13: u64 = 0
    r14: u64 = 0
    r15: u64 = 0
    rdi: u64 = 0
    rsi: u64 = 0
    rbp: u64 = 0
    rbx: u64 = 0
    rdx: u64 = 0
    rax: u64 = 0
    rcx: u64 = 0
    rsp: u64 = 0
    rip: u64 = 0
    rflags: u64 = 0
    cs: u16 = USER_CS
    gs: u16 = 0
    fs: u16 = 0
    ss: u16 = USER_SS
    error_code: u64 = 0
    trap_number: u64 = 0
    old_mask: u64 = 0
    cr2: u64 = 0
    vector_state: u64 = 0
    reserved: Array[u64] = inline(8)


static_assert(size_of(MachineContext) == 256)


class UserContext(Packed):
    """`struct ucontext` as the kernel writes it."""

    flags: u64 = 0
    link: u64 = 0
    stack: SignalStack = inline()
    machine: MachineContext = inline()
    mask: u64 = 0


static_assert(size_of(UserContext) == 304)


class SignalInformation(Packed):
    """`siginfo_t`; what the words mean depends on the signal and its code."""

    signo: u32 = 0
    error: i32 = 0
    code: i32 = 0
    padding: u32 = 0
    word0: u64 = 0
    word1: u64 = 0
    word2: u64 = 0
    rest: Array[u64] = inline(11)


static_assert(size_of(SignalInformation) == 128)


class SignalFrame(Packed):
    """`struct rt_sigframe`."""

    restorer: u64 = 0
    context: UserContext = inline()
    information: SignalInformation = inline()


static_assert(size_of(SignalFrame) == 440)


class SoftwareBytes(Packed):
    """`struct _fpx_sw_bytes`: says that what follows is XSAVE format, and which parts."""

    magic1: u32 = FP_XSTATE_MAGIC1
    extended_size: u32 = 0
    features: u64 = 0
    state_size: u32 = 0
    padding: Array[u32] = inline(7)


static_assert(size_of(SoftwareBytes) == 48)
