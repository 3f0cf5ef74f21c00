"""/dev/tty and /dev/console: the terminal that the host gave the VM (tty(4))."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENXIO
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import minor
from krait.kernel.fs.special_files import register_character_device
from krait.kernel.fs.standard_files import has_terminal
from krait.kernel.fs.tty.terminal_file import TerminalFile
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Errno, u32
from krait.kernel.protocol.console_frames import Console

TERMINAL_MAJOR: Final = 5


def open_terminal(vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open the terminal; raises ENXIO when the host has none."""
    if minor(vnode.rdev) > 1 or not has_terminal():
        raise Errno(ENXIO)
    return TerminalFile(flags=flags, dentry=dentry, vnode=vnode, console=Console.OUTPUT)


def start() -> None:
    """Serve major number 5."""
    register_character_device(u32(TERMINAL_MAJOR), open_terminal)
