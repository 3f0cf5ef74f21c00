"""Standard input, output and error: what the host's descriptors are in the guest.

Where the host has a terminal the guest has one (`tty`); anything else, be it a pipe, a file or
/dev/null, is a pipe to the guest: bytes without a position.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.drivers.standard_input import standard_input
from krait.kernel.errno import EBADF, ENXIO
from krait.kernel.fs import mount
from krait.kernel.fs.caller import owner_of_new
from krait.kernel.fs.dentry import Dentry, make_anonymous
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import FileSystem, device_numbers
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.modes import FIFO
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.stream_files import InputFile, OutputFile
from krait.kernel.fs.tty.terminal import terminal
from krait.kernel.fs.tty.terminal_file import TerminalFile
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, Struct, Text, text, u8, u16, u32, u64
from krait.kernel.protocol import boot_words
from krait.kernel.protocol.console_frames import Console
from krait.kernel.protocol.word_reader import WordReader

COMMA: Final = 0x2C
CROSS: Final = 0x78
DIGIT_ZERO: Final = 0x30
READ_ONLY: Final = 0
WRITE_ONLY: Final = 1
READ_WRITE: Final = 2


class StandardFiles(Struct):
    """What the boot words say."""

    read: bool = False
    terminals: u32 = 0  # bit n: descriptor n is a terminal
    streams: FileSystem | None = None


standard_files = StandardFiles()


class StreamVnode(Vnode):
    """The node behind a standard stream: what fstat(2) shows and /proc/self/fd reopens."""

    number: u32

    def open(self, flags: u32, dentry: Dentry) -> File:
        """Open the stream once more."""
        return make_stream(self, self.number, flags, dentry)


def open_standard(number: u32) -> File:
    """Return the file for descriptor 0, 1 or 2."""
    read_words()
    if standard_files.terminals & (u32(1) << number) != 0:
        return open_terminal(number)
    store = standard_files.streams
    if store is None:
        store = FileSystem(device=device_numbers.take())
        standard_files.streams = store
    owner = owner_of_new()
    vnode = StreamVnode(
        filesystem=store,
        ino=store.take_inode(),
        mode=FIFO | 0o600,
        uid=owner.uid,
        gid=owner.gid,
        number=number,
    )
    dentry = make_anonymous(vnode, stream_name(number))
    return make_stream(vnode, number, u32(READ_ONLY if number == 0 else WRITE_ONLY), dentry)


def stream_name(number: u32) -> Text:
    """Return what /proc/self/fd shows."""
    match number:
        case 0:
            return text(b"pipe:[1]")
        case 1:
            return text(b"pipe:[2]")
        case _:
            return text(b"pipe:[3]")


def make_stream(vnode: Vnode, number: u32, flags: u32, dentry: Dentry) -> File:
    """Make the open file of a stream."""
    match number:
        case 0:
            return InputFile(flags=flags, dentry=dentry, vnode=vnode)
        case 1:
            return OutputFile(flags=flags, dentry=dentry, vnode=vnode, console=Console.OUTPUT)
        case 2:
            return OutputFile(flags=flags, dentry=dentry, vnode=vnode, console=Console.ERRORS)
        case _:
            raise Errno(EBADF)


def open_terminal(number: u32) -> File:
    """Return the terminal as descriptor 0, 1 or 2 has it: open for both directions."""
    top = mount.table.root_dentry()
    context = FsContext(root=top, cwd=top)
    dentry = walk(context, top, text(b"/dev/console"), WalkFlags.FOLLOW)
    console = Console.ERRORS if number == 2 else Console.OUTPUT
    vnode = dentry.vnode
    if vnode is None:
        raise Errno(ENXIO)
    return TerminalFile(flags=READ_WRITE, dentry=dentry, vnode=vnode, console=console)


def has_terminal() -> bool:
    """Tell whether any standard descriptor is a terminal."""
    read_words()
    return standard_files.terminals != 0


def read_words() -> None:
    """Read the boot words about terminals, once."""
    if standard_files.read:
        return
    standard_files.read = True
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        key = reader.key()
        if key.equals(text(boot_words.TERMINALS)):
            standard_files.terminals = terminal_mask(reader.value())
        elif key.equals(text(boot_words.WINDOW)):
            take_window(reader.value())
        elif key.equals(text(boot_words.INPUT)):
            if reader.value().equals(text(boot_words.INPUT_NONE)):
                standard_input.close()
        elif key.equals(text(boot_words.CONTROL)):
            terminal.host_listens = reader.is_on()


def terminal_mask(value: Text) -> u32:
    """Turn `in,out,err` into a mask."""
    mask: u32 = 0
    start: u64 = 0
    while start < value.length:
        stop = start
        while stop < value.length and value[stop] != COMMA:
            stop += 1
        word = value.part(start, stop)
        if word.equals(text(boot_words.TERMINAL_INPUT)):
            mask |= 1
        elif word.equals(text(boot_words.TERMINAL_OUTPUT)):
            mask |= 2
        elif word.equals(text(boot_words.TERMINAL_ERRORS)):
            mask |= 4
        start = stop + 1
    return mask


def take_window(value: Text) -> None:
    """Take the size of the window, `ROWSxCOLUMNS`."""
    cross = value.find(u8(CROSS))
    if cross == value.length:
        return
    rows = number_in(value.part(u64(0), cross))
    columns = number_in(value.part(cross + 1, value.length))
    terminal.set_window_size(rows, columns)


def number_in(digits: Text) -> u16:
    """Read a decimal number below 65536; 0 for anything else."""
    value: u32 = 0
    for digit in digits:
        if digit < DIGIT_ZERO or digit > DIGIT_ZERO + 9:
            return u16(0)
        value = value * 10 + u32(digit - DIGIT_ZERO)
        if value > 0xFFFF:
            return u16(0)
    return u16(value)
