"""Process 1: the program that the host asked for, from the words of the command line to its start.

The thread that has booted the kernel makes the process and a task for it, and is done. The task
begins in kernel code, on the stack that will serve its system calls, loads the program into its
own address space, and enters it by loading the registers that the program's frame describes.
"""

from __future__ import annotations

from typing import Final, NoReturn

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.config import config
from krait.kernel.drivers import outcome, rtc
from krait.kernel.errno import EEXIST, ENOENT
from krait.kernel.fs.credentials import Credentials
from krait.kernel.fs.groups import make_groups
from krait.kernel.fs.names import make_directory_at
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.root import first_context
from krait.kernel.lang import (
    Buffer,
    Errno,
    Struct,
    Text,
    log,
    panic,
    text,
    u8,
    u32,
    u64,
)
from krait.kernel.linux import host_messages, proc_process, profile
from krait.kernel.linux.arguments import Arguments, empty_arguments
from krait.kernel.linux.changing_credentials import follow
from krait.kernel.linux.descriptors import make_table
from krait.kernel.linux.elf import refusals
from krait.kernel.linux.identity import machine_identity
from krait.kernel.linux.loader import LoadedProgram, map_program, prepare_program
from krait.kernel.linux.process import Process
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.program_rights import credentials_after, has_set_id, take_credentials
from krait.kernel.linux.signals import (
    HANDLER_IGNORE,
    SIGNAL_LIMIT,
    UNBLOCKABLE,
    is_valid,
    signal_bit,
)
from krait.kernel.linux.standard_files import open_standard_files
from krait.kernel.linux.task import WORK_TRACE, Task, current_process, current_task
from krait.kernel.linux.threads import add_task
from krait.kernel.linux.vector_area import allocate_vector_area
from krait.kernel.mm import address_space, kernel_stack
from krait.kernel.mm.fault_injection import injection
from krait.kernel.protocol import boot_words
from krait.kernel.protocol.outcome import BootPhase
from krait.kernel.protocol.word_reader import WordReader
from krait.kernel.sched import clock, thread_life
from krait.kernel.trace.boot_phases import mark

FIRST_PID: Final = 1
SLASH: Final = u8(ord("/"))
FLAGS_AT_START: Final = 0x202  # IF, and the bit that is always set


class FirstProgram(Struct):
    """What the task finds when it begins."""

    arguments: Arguments | None = None
    path: Buffer[u8] | None = None
    directory: Buffer[u8] | None = None
    told_time_ns: u64 = 0
    host_listens: bool = False
    stops: bool = False
    """Only the boot is to be measured."""
    fails: u64 = 0
    """Which allocations fail (mm/fault_injection.py); 0: none."""


first_program = FirstProgram()


def run() -> NoReturn:
    """Start the first program; the booting thread has nothing left to do."""
    try:
        task = make_task()
    except Errno as error:
        panic("cannot make the first process: error {}", error.code)
    thread_life.hand_over(task, first_steps)


def make_task() -> Task:
    """Make process and task from the command line."""
    process = Process(
        space=address_space.create(),
        descriptors=make_table(),
        fs=first_context(),
        started_ns=clock.monotonic_ns(),
    )
    process.limits.reset()
    stack = kernel_stack.allocate()
    task = Task(
        process=process,
        credentials=Credentials(),
        space=process.space,
        kernel_stack_top=stack,
        tid=FIRST_PID,
    )
    task.vector_area = allocate_vector_area()
    process.leader = task
    add_task(process, task)
    process_table.first = process
    read_words(process, task)
    proc_process.start()
    rtc.start(first_program.told_time_ns)
    host_messages.start(listens=first_program.host_listens)
    return task


def read_words(process: Process, task: Task) -> None:
    """Collect the program, its arguments and its surroundings."""
    arguments = empty_arguments()
    scratch = Buffer[u8](length=boot_info.command_line.length + 1)
    read_arguments(arguments, scratch)
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        key = reader.key()
        if key.equals(text(boot_words.ENVIRONMENT)):
            arguments.add_variable(scratch.slice.part(0, reader.decode(scratch.slice)))
        else:
            read_word(process, task, reader, scratch)
    first_program.arguments = arguments
    if (directory := first_program.directory) is not None:
        change_directory(process, task.credentials, directory.slice)
    follow(process, task)


def read_arguments(arguments: Arguments, scratch: Buffer[u8]) -> None:
    """Collect argv, which comes before environ wherever the words stand."""
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(boot_words.ARGUMENT)):
            arguments.add_argument(scratch.slice.part(0, reader.decode(scratch.slice)))


def read_word(process: Process, task: Task, reader: WordReader, scratch: Buffer[u8]) -> None:
    """Act on one word that is neither an argument nor a variable."""
    key = reader.key()
    if key.equals(text(boot_words.PROGRAM)):
        first_program.path = kept(scratch.slice.part(0, reader.decode(scratch.slice)))
    elif key.equals(text(boot_words.DIRECTORY)):
        first_program.directory = kept(scratch.slice.part(0, reader.decode(scratch.slice)))
    elif key.equals(text(boot_words.HOST_NAME)):
        machine_identity.set_host_name(scratch.slice.part(0, reader.decode(scratch.slice)))
    elif key.equals(text(boot_words.USER)):
        set_user(task.credentials, u32.truncate(reader.number()))
    elif key.equals(text(boot_words.GROUP)):
        task.credentials.set_all_groups(u32.truncate(reader.number()))
    elif key.equals(text(boot_words.GROUPS)):
        task.credentials.groups = make_groups(reader.numbers())
    elif key.equals(text(boot_words.FILE_MASK)):
        process.fs.umask = u32.truncate(reader.octal()) & 0o777
    elif key.equals(text(boot_words.TIME)):
        first_program.told_time_ns = reader.number()
    elif key.equals(text(boot_words.CONTROL)):
        first_program.host_listens = reader.is_on()
    elif key.equals(text(boot_words.BOOT_CHART)):
        read_chart_word(reader)
    elif key.equals(text(boot_words.IGNORED_SIGNALS)):
        ignore_signals(process, reader.numbers())
    elif key.equals(text(boot_words.BLOCKED_SIGNALS)):
        task.signals.blocked = mask_of_numbers(reader.numbers())
    elif key.equals(text(boot_words.NO_NEW_PRIVILEGES)):
        task.credentials.no_new_privileges = reader.is_on()
    elif config.debug and key.equals(text(boot_words.FAIL)):
        first_program.fails = reader.number()
    elif config.profile and key.equals(text(boot_words.PROFILE)):
        profile.start(reader.number())
    elif key.equals(text(boot_words.TRACE_CALLS)) and reader.is_on():
        if config.strace:
            task.work |= WORK_TRACE


def read_chart_word(reader: WordReader) -> None:
    """Report the boot's phases at the end, or let the end be where the program would begin."""
    if config.bootchart:
        outcome.ending.report_phases = reader.is_on()
        outcome.ending.entry_ticks = boot_info.entry_tsc
        first_program.stops = reader.value().equals(text(boot_words.BOOT_CHART_STOP))


def ignore_signals(process: Process, numbers: Buffer[u32]) -> None:
    """Ignore what the caller ignores, as execve(2) hands it on."""
    mask = mask_of_numbers(numbers)
    for index in range(u32(SIGNAL_LIMIT)):
        if mask & (u64(1) << index) != 0:
            process.actions.of(index + 1).handler = HANDLER_IGNORE


def mask_of_numbers(numbers: Buffer[u32]) -> u64:
    """Give the mask of some signals, without those that can be neither ignored nor blocked."""
    mask: u64 = 0
    for signo in numbers.slice:
        if is_valid(signo):
            mask |= signal_bit(signo)
    return mask & ~u64(UNBLOCKABLE)


def kept(word: Text) -> Buffer[u8]:
    """Keep a word of the command line."""
    buffer = Buffer[u8](length=word.length)
    buffer.slice.copy_from(word)
    return buffer


def change_directory(process: Process, who: Credentials, path: Text) -> None:
    """Start in a directory of the host's; one that the image does not have is made.

    Nothing is checked yet: the user could enter it on the host.
    """
    try:
        enter_directory(process, path)
    except Errno as error:
        if error.code == ENOENT:
            make_directories(process, who, path)
        else:
            log("{}: cannot be the working directory (error {})", path, error.code)


def enter_directory(process: Process, path: Text) -> None:
    """Make a directory the working directory."""
    flags = WalkFlags.FOLLOW | WalkFlags.DIRECTORY
    process.fs.cwd = walk(process.fs, process.fs.root, path, flags)


def make_directories(process: Process, who: Credentials, path: Text) -> None:
    """Make a working directory with all above it, so that an image serves runs from anywhere."""
    try:
        for end in range(1, path.length):
            if path[end] == SLASH:
                make_directory(process, who, path.part(u64(0), end))
        make_directory(process, who, path)
        enter_directory(process, path)
    except Errno as error:
        log("{}: cannot be made for a working directory (error {})", path, error.code)


def make_directory(process: Process, who: Credentials, path: Text) -> None:
    """Make a directory, the user's own, unless it is there."""
    try:
        make_directory_at(process.fs, process.fs.root, path, u32(0o755))
    except Errno as error:
        if error.code != EEXIST:
            raise
        return
    vnode = walk(process.fs, process.fs.root, path, WalkFlags.DIRECTORY).present()
    vnode.uid = who.fsuid
    vnode.gid = who.fsgid


def set_user(who: Credentials, uid: u32) -> None:
    """Run as this user; only root has capabilities."""
    who.set_all_users(uid)
    if uid != 0:
        who.effective = 0
        who.permitted = 0


def first_steps() -> NoReturn:
    """Begin process 1, on its own kernel stack and in its own address space."""
    thread_life.arrive()
    run_first_program()
    mark(BootPhase.PROGRAM)
    if config.bootchart and first_program.stops:
        outcome.exit(0)
    if config.debug and first_program.fails != 0:
        injection.always(first_program.fails)
    context.enter_program(current_task().frame())


def run_first_program() -> None:
    """Open the standard files, load the program and fill in the registers it starts with."""
    process = current_process()
    path = first_program.path
    arguments = first_program.arguments
    if path is None or arguments is None:
        outcome.exec_error(ENOENT, text(b"(no program= on the command line)"))
    loaded = LoadedProgram()
    try:
        open_standard_files(process)
        prepared = prepare_program(process, process.fs.cwd, path.slice, arguments)
        if has_set_id(prepared):
            prepared.credentials = credentials_after(current_task(), prepared)
            take_credentials(current_task(), process, prepared)
        map_program(process, prepared, loaded)
    except Errno as error:
        outcome.exec_error(error.code, path.slice)
    refusals.silent = True
    name_task(path.slice)
    first_program.path = None
    first_program.arguments = None
    frame = current_task().frame()
    frame.rip = loaded.entry
    frame.rsp = loaded.stack
    frame.rflags = FLAGS_AT_START
    mark(BootPhase.LOADED)


def name_task(path: Text) -> None:
    """Name the task after the last component of its program's path."""
    start: u64 = 0
    for index in range(path.length):
        if path[index] == 0x2F:
            start = index + 1
    current_task().rename(path.part(start, path.length))
