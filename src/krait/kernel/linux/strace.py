"""Printing system calls as strace(1) prints them: `name(arguments) = result`.

What an argument is follows from how the call was declared: the annotation and the name of each
parameter become, at build time, a `Form`. So every registered call is printed without a decoder of
its own. Strings show their first bytes, descriptors and sizes are decimal, addresses hexadecimal,
flags have names (`strace_flags`).

A line is made when the call has returned, because then the registers still hold the arguments and
memory holds what a read has read. Calls that never return are printed before. While a process has
more than one thread, a line begins with its thread's id, as strace's do.
"""

from __future__ import annotations

import inspect
from enum import IntEnum
from typing import Final, NamedTuple

from krait.kernel.arch.x86_64.trap_frame import TrapFrame
from krait.kernel.lang import (
    Array,
    Errno,
    SyscallEntry,
    UserPointer,
    UserSlice,
    i32,
    i64,
    inline,
    log,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux.error_names import ERROR_NAMES, ERROR_TEXTS
from krait.kernel.linux.line_writer import LineWriter
from krait.kernel.linux.numbers import CALL_NAMES, LIMIT, NUMBERS
from krait.kernel.linux.strace_flags import ALL_TABLES, ARGUMENT_TABLES, FlagName
from krait.kernel.linux.strace_values import (
    write_action,
    write_limit,
    write_mask_at,
    write_pointer,
    write_stat,
    write_time,
)
from krait.kernel.linux.table import TABLE, unknown_call
from krait.kernel.linux.task import current_task
from krait.kernel.sched.mutex import Mutex

ARGUMENTS: Final = 6
BYTES_SHOWN: Final = 32  # strace's own default
PATH_SHOWN: Final = 192
ERRORS: Final = len(ERROR_NAMES)
CREATES: Final = 0o20000100  # O_CREAT, __O_TMPFILE
OPENS: Final = (NUMBERS["open"], NUMBERS["openat"])
NO_RETURN: Final = (NUMBERS["exit"], NUMBERS["exit_group"], NUMBERS["rt_sigreturn"])


class Form(IntEnum):
    """How one register is shown."""

    NONE = 0
    SIGNED = 1
    UNSIGNED = 2
    ADDRESS = 3
    PATH = 4
    BYTES = 5
    """Address of bytes that the call reads; the next register is their number."""
    RESULT_BYTES = 6
    """Address of bytes that the call writes; its result is their number."""
    OCTAL = 7
    DIRECTORY = 8
    INT = 9
    STAT = 10
    TIME = 11
    MASK = 12
    ACTION = 13
    LIMIT = 14
    FLAGS = 16
    """And above: the index of the table, plus this."""


class Shape(NamedTuple):
    """The forms of a call's registers."""

    a0: u8
    a1: u8
    a2: u8
    a3: u8
    a4: u8
    a5: u8


PATH_NAMES: Final = ("path", "old", "new", "target", "name")
BYTE_ARGUMENTS: Final = {("write", 1), ("pwrite64", 1), ("sendto", 1)}
RESULT_BYTE_ARGUMENTS: Final = {
    ("read", 1),
    ("pread64", 1),
    ("recvfrom", 1),
    ("readlink", 1),
    ("readlinkat", 2),
    ("getcwd", 0),
    ("getrandom", 0),
}


STRUCTURES: Final = {
    "UserPointer[Stat]": Form.STAT,
    "UserPointer[TimeSpec]": Form.TIME,
    "UserPointer[UserAction]": Form.ACTION,
    "UserPointer[LimitPair]": Form.LIMIT,
}
MASK_CALLS: Final = ("rt_sigprocmask", "rt_sigsuspend", "rt_sigtimedwait")
ADDRESS_NAMES: Final = (
    "address into stack end head argument timeout other unused parent child tls".split()
)


def form_of(call: str, register: int, name: str, annotation: str) -> int:
    """Decide how a register is shown; build time only."""
    if (call, register) in ARGUMENT_TABLES:
        index = list(ARGUMENT_TABLES).index((call, register)) + 1
        return int(Form.FLAGS) + index
    if (call, register) in BYTE_ARGUMENTS:
        return int(Form.BYTES)
    if (call, register) in RESULT_BYTE_ARGUMENTS:
        return int(Form.RESULT_BYTES)
    if annotation in STRUCTURES:
        return int(STRUCTURES[annotation])
    if annotation == "UserPointer[u64]" and call in MASK_CALLS and name in ("given", "old"):
        return int(Form.MASK)
    if annotation.startswith("UserPointer"):
        return int(
            Form.PATH if annotation.endswith("[u8]") and name in PATH_NAMES else Form.ADDRESS
        )
    if name == "mode":
        return int(Form.OCTAL)
    if name in ("directory", "old_directory", "new_directory"):
        return int(Form.DIRECTORY)
    if name == "descriptor" or annotation == "i32":
        return int(Form.INT)
    if annotation == "i64":
        return int(Form.SIGNED)
    if annotation == "u64" and name in ADDRESS_NAMES:
        return int(Form.ADDRESS)
    return int(Form.UNSIGNED)


def shape_of(entry: SyscallEntry) -> Shape:
    """Read a call's declaration; build time only."""
    call = bytes(entry.name).decode()
    forms: list[int] = []
    if entry.function is not unknown_call:
        for parameter in inspect.signature(entry.function).parameters.values():
            annotation = str(parameter.annotation)
            if annotation.startswith("UserSlice"):
                forms.append(form_of(call, len(forms), parameter.name, "UserPointer[]"))
                forms.append(int(Form.UNSIGNED))
            else:
                forms.append(form_of(call, len(forms), parameter.name, annotation))
    forms += [int(Form.NONE)] * (ARGUMENTS - len(forms))
    return Shape(*(u8(form) for form in forms))


SHAPES: Final[list[Shape]] = [shape_of(entry) for entry in TABLE]

ALL_FLAGS: Final[list[FlagName]] = [flag for table in ALL_TABLES for flag in table]
FLAG_ENDS: Final[list[u32]] = [
    u32(sum(len(table) for table in ALL_TABLES[: index + 1])) for index in range(len(ALL_TABLES))
]

writer = LineWriter()
line_lock = Mutex()
"""Held while a line is made: looking at an argument may wait for a page."""


def begin(frame: TrapFrame, number: u32) -> None:
    """Print a call that does not return."""
    if number in NO_RETURN:
        with line_lock:
            write_call(frame, number, 0)
            writer.put(text(b" = ?"))
            log("{}", writer.text())


def end(frame: TrapFrame, number: u32, result: i64) -> None:
    """Print a call that has returned."""
    if number in NO_RETURN:
        return
    with line_lock:
        write_call(frame, number, result)
        writer.put(text(b" = "))
        if -4096 < result < 0:
            write_error(u32(-result))
        elif number < LIMIT and result > 0x10000 and returns_address(number):
            writer.hexadecimal(u64(result))
        else:
            writer.signed(result)
        log("{}", writer.text())


def returns_address(number: u32) -> bool:
    """Say whether a call's result is an address."""
    return number in (NUMBERS["mmap"], NUMBERS["brk"], NUMBERS["mremap"])


def write_error(code: u32) -> None:
    """Write `-1 ENOENT (No such file or directory)`."""
    writer.put(text(b"-1 "))
    if code < ERRORS:
        writer.put(ERROR_NAMES[code])
        writer.put(text(b" ("))
        writer.put(ERROR_TEXTS[code])
        writer.put(text(b")"))
    else:
        writer.unsigned(u64(code))


def write_call(frame: TrapFrame, number: u32, result: i64) -> None:
    """Write the name and the arguments in their parentheses."""
    writer.clear()
    task = current_task()
    if task.process.task_count > 1:
        writer.put(text(b"[pid "))
        writer.unsigned(u64(task.tid))
        writer.put(text(b"] "))
    if number >= LIMIT:
        writer.put(text(b"syscall_"))
        writer.unsigned(u64(number))
        writer.put(text(b"()"))
        return
    writer.put(CALL_NAMES[number])
    writer.put(text(b"("))
    shape = SHAPES[number]
    if number in OPENS:
        write_open(shape, frame, result)
        return
    write_argument(shape.a0, frame.rdi, frame.rsi, result, True)
    write_argument(shape.a1, frame.rsi, frame.rdx, result, False)
    write_argument(shape.a2, frame.rdx, frame.r10, result, False)
    write_argument(shape.a3, frame.r10, frame.r8, result, False)
    write_argument(shape.a4, frame.r8, frame.r9, result, False)
    write_argument(shape.a5, frame.r9, 0, result, False)
    writer.put(text(b")"))


def write_open(shape: Shape, frame: TrapFrame, result: i64) -> None:
    """Write the arguments of open and openat: a mode only where a file may be made."""
    write_argument(shape.a0, frame.rdi, 0, result, True)
    write_argument(shape.a1, frame.rsi, 0, result, False)
    flags = frame.rdx
    mode = frame.r10
    if shape.a3 == 0:
        flags = frame.rsi
        mode = frame.rdx
    else:
        write_argument(shape.a2, frame.rdx, 0, result, False)
    if flags & CREATES != 0:
        writer.put(text(b", "))
        writer.octal(mode & 0xFFFFFFFF)
    writer.put(text(b")"))


def write_argument(form: u8, value: u64, following: u64, result: i64, first: bool) -> None:
    """Write one register; the next one and the result may say how long it is."""
    if form == 0:
        return
    if not first:
        writer.put(text(b", "))
    match form:
        case 1:
            writer.signed(i64.truncate(value))
        case 2:
            writer.unsigned(value)
        case 3:
            write_address(value)
        case 4:
            write_path(value)
        case 5:
            write_bytes(value, following)
        case 6:
            if result < 0:
                write_address(value)
            else:
                write_bytes(value, min(u64(result), following))
        case 7:
            writer.octal(value & 0xFFFFFFFF)
        case 8:
            write_directory(i32.truncate(value))
        case 9:
            writer.signed(i64(i32.truncate(value)))
        case _:
            if form >= 16:
                write_flags(u64(form) - 16, value)
            elif result < 0 and form != 12 and form != 13:
                write_address(value)
            else:
                write_structure(form, value)


def write_structure(form: u8, address: u64) -> None:
    """Write what a pointer leads to, which a call that failed may not have filled."""
    match form:
        case 10:
            write_stat(writer, address)
        case 11:
            write_time(writer, address)
        case 12:
            write_mask_at(writer, address)
        case 13:
            write_action(writer, address)
        case _:
            write_limit(writer, address)


def write_address(value: u64) -> None:
    """Write an address; NULL has a name."""
    write_pointer(writer, value)


def write_directory(descriptor: i32) -> None:
    """Write a directory's descriptor; the current directory has a name."""
    if descriptor == -100:
        writer.put(text(b"AT_FDCWD"))
    else:
        writer.signed(i64(descriptor))


def write_path(address: u64) -> None:
    """Write a terminated string, or its address if it is not there."""
    if address == 0:
        writer.put(text(b"NULL"))
        return
    pointer = UserPointer[u8](address)
    copied: Array[u8] = inline(PATH_SHOWN)
    length: u64 = 0
    try:
        while length < PATH_SHOWN:
            byte = pointer.load_at(length)
            if byte == 0:
                break
            copied[length] = byte
            length += 1
    except Errno:
        writer.hexadecimal(address)
        return
    writer.quoted(copied.part(0, length))
    if length == PATH_SHOWN:
        writer.put(text(b"..."))


def write_bytes(address: u64, length: u64) -> None:
    """Write the first bytes of a buffer."""
    copied: Array[u8] = inline(BYTES_SHOWN)
    count = min(length, u64(BYTES_SHOWN))
    try:
        UserSlice[u8](address, count).copy_in(copied.part(0, count))
    except Errno:
        write_address(address)
        return
    writer.quoted(copied.part(0, count))
    if length > count:
        writer.put(text(b"..."))


def write_flags(table: u64, value: u64) -> None:
    """Write flags by their names, and what has none as a number."""
    left = value & 0xFFFFFFFF
    any_name = False
    for index in range(u64(FLAG_ENDS[table - 1]), u64(FLAG_ENDS[table])):
        flag = ALL_FLAGS[index]
        if value & flag.mask == flag.value and (left & flag.mask != 0 or flag.value == 0):
            if any_name:
                writer.put(text(b"|"))
            writer.put(flag.name)
            left &= ~flag.mask
            any_name = True
    if left != 0:
        if any_name:
            writer.put(text(b"|"))
        writer.hexadecimal(left)
    elif not any_name:
        writer.put(text(b"0"))
