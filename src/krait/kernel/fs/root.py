"""Mounting the root: the image, the overlay that makes it writable, and the mounts on it.

The image lies in the initial RAM disk or on a disk (`root=` of the boot words). Directories that
are to be mounted on are made in the overlay when the image lacks them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.config import config
from krait.kernel.drivers import outcome
from krait.kernel.errno import ENODEV, ENOENT
from krait.kernel.fs import fifo, shrinking
from krait.kernel.fs import mount as mounts
from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.dev.root import make_dev_root
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.names import make_directory_at
from krait.kernel.fs.overlay.directory import make_overlay_root
from krait.kernel.fs.overlay.file_system import make_overlay_file_system
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.proc.root import make_proc_root
from krait.kernel.fs.rofs.damage import damage
from krait.kernel.fs.rofs.disk import open_disk
from krait.kernel.fs.rofs.image import RofsImage, mount_image
from krait.kernel.fs.rofs.source import ImageSource, InitrdSource
from krait.kernel.fs.rofs.vnode import root_of
from krait.kernel.fs.sys.root import make_sys_root
from krait.kernel.fs.vnode import PAGE_SHIFT, Vnode
from krait.kernel.lang import Errno, Struct, Text, text, u32
from krait.kernel.mm.frames import Frame
from krait.kernel.protocol import boot_words
from krait.kernel.protocol.word_reader import WordReader

READ_WRITE: Final = b"rw,relatime"
NO_DEVICES: Final = b"rw,nosuid,nodev,noexec,relatime"


class Root(Struct):
    """What is mounted at `/`."""

    image: RofsImage | None = None


root = Root()


def mount() -> None:
    """Mount everything; an image that is none, or damaged, ends the run."""
    damage.handler = end_run
    try:
        image = mount_image(find_image())
        lower = root_of(image)
        overlay = make_overlay_file_system(image.inode_count, image.page_count)
        upper = make_overlay_root(overlay, lower)
    except Errno:
        outcome.image_error(text(b"the root file system cannot be mounted"))
    root.image = image
    fifo.start()
    shrinking.start(overlay)
    mounts.table.set_root(upper, text(b"overlay"), text(READ_WRITE))
    context = first_context()
    if config.proc:
        mount_on(context, text(b"/proc"), make_proc_root, text(b"proc"), text(NO_DEVICES))
        mount_on(context, text(b"/sys"), make_sys_root, text(b"sysfs"), text(NO_DEVICES))
    mount_on(context, text(b"/dev"), make_dev_root, text(b"devtmpfs"), text(READ_WRITE))


def first_context() -> FsContext:
    """Return the context of the first process: root and current directory are `/`."""
    top = mounts.table.root_dentry()
    return FsContext(root=top, cwd=top)


def find_image() -> ImageSource:
    """Return where the image is; raises ENODEV when there is none."""
    if config.disk and wants_disk():
        return open_disk()
    if boot_info.initrd_length == 0:
        damage_missing()
        raise Errno(ENODEV)
    return InitrdSource(
        first=Frame(boot_info.initrd_start), page_count=boot_info.initrd_length >> PAGE_SHIFT
    )


def damage_missing() -> None:
    """Say that the monitor passed no image."""
    end_run(text(b"the virtual machine was started without an image"))


def wants_disk() -> bool:
    """Tell whether the boot words name a disk as the root."""
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(boot_words.ROOT)):
            return not reader.value().equals(text(boot_words.ROOT_INITRD))
    return False


def end_run(reason: Text) -> None:
    """End the VM because of the image."""
    outcome.image_error(reason)


def mount_on(
    context: FsContext, path: Text, source: Callable[[], Vnode], kind: Text, options: Text
) -> None:
    """Mount on a path, which is made when it is missing."""
    try:
        point = find_or_make(context, path)
        mounts.table.mount(point, source, kind, options)
    except Errno:
        end_run(text(b"a file system cannot be mounted"))


def find_or_make(context: FsContext, path: Text) -> Dentry:
    """Return the directory at a path, made when it is missing."""
    try:
        return walk(context, context.cwd, path, WalkFlags.DIRECTORY)
    except Errno as error:
        if error.code != ENOENT:
            raise
    make_directory_at(context, context.cwd, path, u32(0o755))
    return walk(context, context.cwd, path, WalkFlags.DIRECTORY)
