"""Opening device nodes and FIFOs: the switch from a number to what it stands for.

Devices register an opener under their major number; FIFOs and the like have one opener for their
type. A node in any file system then leads to the same device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.errno import ENXIO
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file import File
from krait.kernel.fs.file_system import major
from krait.kernel.fs.modes import CHARACTER_DEVICE, FIFO, type_of
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Array, Errno, Struct, inline, u32, u64

MAJORS: Final = 16


class Opener(Struct):
    """Who opens the files of one kind."""

    open: Callable[[Vnode, u32, Dentry], File] | None = None


class SpecialFiles(Struct):
    """The switch."""

    character: Array[Opener] = inline(MAJORS)
    fifo: Opener = inline()


special_files = SpecialFiles()


def register_character_device(number: u32, opener: Callable[[Vnode, u32, Dentry], File]) -> None:
    """Let an opener serve a major number below `MAJORS`."""
    special_files.character[u64(number)].open = opener


def register_fifo(opener: Callable[[Vnode, u32, Dentry], File]) -> None:
    """Let an opener serve FIFOs; called as `opener(vnode, flags, dentry)`."""
    special_files.fifo.open = opener


def open_special(vnode: Vnode, flags: u32, dentry: Dentry) -> File:
    """Open a device node or FIFO; raises ENXIO when nothing stands behind it."""
    kind = type_of(vnode.mode)
    opener: Callable[[Vnode, u32, Dentry], File] | None = None
    if kind == CHARACTER_DEVICE:
        number = major(vnode.rdev)
        if number < MAJORS:
            opener = special_files.character[u64(number)].open
    elif kind == FIFO:
        opener = special_files.fifo.open
    if opener is None:
        raise Errno(ENXIO)
    return opener(vnode, flags, dentry)
