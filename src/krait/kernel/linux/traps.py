"""Exceptions and interrupts, wherever they hit.

The program's faults become signals as they do on Linux; the kernel's own are served if they happen
while it copies from or to the program at an address that is listed for it (rule 7 of ring 0), and
are a panic otherwise. Whose code was interrupted is told by the saved RIP alone: program and kernel
run with the same privilege (rule 3). Error codes are given to programs as if they did not.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import exceptions, interrupts
from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.arch.x86_64.cpu import enable_interrupts, read_cr2
from krait.kernel.arch.x86_64.image_layout import is_kernel_code
from krait.kernel.arch.x86_64.layout import PAGE_SHIFT
from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.config import config
from krait.kernel.drivers import outcome, panic
from krait.kernel.fs.ramfs.file_system import ram_pages
from krait.kernel.lang import (
    export,
    i32,
    log,
    u32,
    u64,
)
from krait.kernel.linux import profile, vsyscall
from krait.kernel.linux.floating_faults import media_fault_code, x87_fault_code
from krait.kernel.linux.signal_delivery import FaultDetails, force_signal
from krait.kernel.linux.signal_state import SignalInfo
from krait.kernel.linux.signals import (
    BUS_ADRALN,
    BUS_ADRERR,
    FPE_INTDIV,
    ILL_ILLOPN,
    SEGV_ACCERR,
    SEGV_MAPERR,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_TRACE,
)
from krait.kernel.linux.task import Task, current_task
from krait.kernel.mm import frames
from krait.kernel.mm.address_space import AddressSpace, current_space
from krait.kernel.mm.census import Census
from krait.kernel.mm.fault_injection import injection
from krait.kernel.mm.frames import FOUR_GIB
from krait.kernel.mm.overcommit import promises
from krait.kernel.mm.protection import Access, FaultResult
from krait.kernel.sched.thread import current

DIVIDE: Final = 0
DEBUG: Final = 1
BREAKPOINT: Final = 3
OVERFLOW: Final = 4
BOUND: Final = 5
INVALID_OPCODE: Final = 6
SEGMENT: Final = 11
STACK: Final = 12
PROTECTION: Final = 13
PAGE_FAULT: Final = 14
X87: Final = 16
ALIGNMENT: Final = 17
MEDIA: Final = 19

ERROR_PRESENT: Final = 1
ERROR_WRITE: Final = 2
ERROR_USER: Final = 4
ERROR_FETCH: Final = 16
FLAG_INTERRUPT: Final = 0x200
ROOM_FOR_IMAGE: Final = 1 << 20
PROGRAM_TOP: Final = 0x7FFF_FFFF_F000


@export("krait_trap")
def trap(frame: TrapFrame) -> None:
    """Serve an exception; interrupts are off."""
    vector = frame.orig_rax
    if vector == PAGE_FAULT:
        page_fault(frame, read_cr2())
        return
    if is_kernel_code(frame.rip):
        recover(frame)
        return
    enable_interrupts()
    fault = FaultDetails()
    fault.trap_number = vector
    fault.error_code = frame.error_code
    signal_for(frame, vector, fault)


def recover(frame: TrapFrame) -> None:
    """Go on behind a copy that failed; a fault anywhere else in the kernel is the end."""
    target = exceptions.recovery(frame.rip)
    if target == 0:
        panic.report_trap(frame)
    frame.rip = target


def page_fault(frame: TrapFrame, address: u64) -> None:
    """Bring the page in, or say why not."""
    if frame.rflags & FLAG_INTERRUPT != 0:
        enable_interrupts()
    access = access_of(frame.error_code)
    if is_kernel_code(frame.rip):
        kernel_page_fault(frame, address, access)
        return
    result = FaultResult.MAPERR
    if address < PROGRAM_TOP:
        result = bring_in(address, access)
    elif frame.rip == address and vsyscall.emulate(frame, address):
        return
    if result != FaultResult.HANDLED:
        fault = FaultDetails()
        fault.trap_number = PAGE_FAULT
        fault.error_code = frame.error_code | ERROR_USER
        fault.address = address
        page_signal(frame, result, fault)


def bring_in(address: u64, access: Access) -> FaultResult:
    """Let the address space bring a page in."""
    if not config.debug:
        return current_space().fault(address, access)
    injection.sparing += 1
    result = current_space().fault(address, access)
    injection.sparing -= 1
    return result


def access_of(error: u64) -> Access:
    """Say what was tried."""
    if error & ERROR_FETCH != 0:
        return Access.EXECUTE
    if error & ERROR_WRITE != 0:
        return Access.WRITE
    return Access.READ


def kernel_page_fault(frame: TrapFrame, address: u64, access: Access) -> None:
    """Serve a fault of a copy from or to the program."""
    target = exceptions.recovery(frame.rip)
    if target == 0 or address >= PROGRAM_TOP:
        if target == 0:
            panic.report_trap(frame)
        frame.rip = target
        return
    if exceptions.may_wait(frame.rip):
        space = current().space
        if space is not None:
            result = bring_in(address, access)
            if result == FaultResult.HANDLED:
                return
            if result == FaultResult.NOMEM:
                out_of_memory(current_task())
    frame.rip = target


def page_signal(frame: TrapFrame, result: FaultResult, fault: FaultDetails) -> None:
    """Turn a fault that cannot be served into its signal."""
    task = current_task()
    match result:
        case FaultResult.ACCERR:
            raise_fault(task, frame, SIGSEGV, SEGV_ACCERR, fault.address, fault)
        case FaultResult.BUS | FaultResult.IO:
            raise_fault(task, frame, SIGBUS, BUS_ADRERR, fault.address, fault)
        case FaultResult.NOMEM:
            out_of_memory(task)
        case _:
            raise_fault(task, frame, SIGSEGV, SEGV_MAPERR, fault.address, fault)


def out_of_memory(task: Task) -> None:
    """End the run: there is no other process whose memory could be taken."""
    resident = task.process.space.resident_pages << PAGE_SHIFT
    total = frames.total() << PAGE_SHIFT
    log("out of memory: the program uses {} bytes of {}", resident, total)
    outcome.memory_short(memory_needed(task.process.space), total)


def memory_needed(space: AddressSpace) -> u64:
    """Return how large the machine would have to be for all that has been promised so far.

    At least a quarter more than it is: who dies of a small leak has not asked for the rest yet.
    What the kernel and the image take is what is missing of a machine that ends below 4 GiB; in a
    larger one the host may prefer to have a small image in memory.
    """
    census = Census()
    census.add_space(space)
    used = census.anonymous + census.shared_memory + ram_pages.used
    unused = (promises.pages - min(promises.pages, used)) << PAGE_SHIFT
    machine = frames.total() << PAGE_SHIFT
    if boot_info.memory_end <= FOUR_GIB:
        machine = boot_info.memory_end
    return machine + max(unused + ROOM_FOR_IMAGE, machine // 4)


def signal_for(frame: TrapFrame, vector: u64, fault: FaultDetails) -> None:
    """Turn an exception of the program into its signal (arch/x86/kernel/traps.c)."""
    task = current_task()
    rip = frame.rip
    if vector == DIVIDE:
        raise_fault(task, frame, SIGFPE, FPE_INTDIV, rip, fault)
    elif vector == DEBUG:
        raise_fault(task, frame, SIGTRAP, TRAP_TRACE, rip, fault)
    elif vector == BREAKPOINT:
        raise_fault(task, frame, SIGTRAP, SI_KERNEL, 0, fault)
    elif vector == INVALID_OPCODE and task.process.space.is_halt(rip):
        fault.trap_number = PROTECTION
        raise_fault(task, frame, SIGSEGV, SI_KERNEL, 0, fault)
    elif vector == INVALID_OPCODE:
        raise_fault(task, frame, SIGILL, ILL_ILLOPN, rip, fault)
    elif vector in (SEGMENT, STACK):
        raise_fault(task, frame, SIGBUS, SI_KERNEL, 0, fault)
    elif vector == X87:
        raise_fault(task, frame, SIGFPE, x87_fault_code(task), rip, fault)
    elif vector == MEDIA:
        raise_fault(task, frame, SIGFPE, media_fault_code(task), rip, fault)
    elif vector == ALIGNMENT:
        raise_fault(task, frame, SIGBUS, BUS_ADRALN, 0, fault)
    else:
        raise_fault(task, frame, SIGSEGV, SI_KERNEL, 0, fault)


def raise_fault(
    task: Task, frame: TrapFrame, signo: u32, code: u32, address: u64, fault: FaultDetails
) -> None:
    """Send a fault's signal to the task that caused it."""
    force_signal(task, frame, SignalInfo(signo, 0, i32(code), address, 0, 0), fault)


@export("krait_interrupt")
def interrupt(frame: TrapFrame) -> None:
    """Serve an interrupt; interrupts are off, and stay so."""
    interrupts.dispatch(u32.truncate(frame.orig_rax))
    if config.profile and profile.sampler.due != 0:
        profile.take(frame)
