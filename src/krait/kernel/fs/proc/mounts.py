"""/proc/PID/mounts and mountinfo."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.file_system import major, minor
from krait.kernel.fs.mount import Mount, table
from krait.kernel.fs.path import path_of
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Buffer, text, u8, u64

PATH_ROOM: Final = 4096


def write_mounts(out: TextBuffer) -> None:
    """Write a line a mount: source, place, kind, options."""
    path = Buffer[u8](length=u64(PATH_ROOM))
    for index in range(table.count):
        mount = table.mounts[index]
        if mount is None:
            continue
        out.put(mount.kind)
        out.put(text(b" "))
        put_place(mount, path, out)
        out.put(text(b" "))
        out.put(mount.kind)
        out.put(text(b" "))
        out.put(mount.options)
        out.put(text(b" 0 0\n"))


def write_mountinfo(out: TextBuffer) -> None:
    """Write a line a mount with numbers (proc_pid_mountinfo(5))."""
    path = Buffer[u8](length=u64(PATH_ROOM))
    for index in range(table.count):
        mount = table.mounts[index]
        if mount is None:
            continue
        out.put_decimal(u64(mount.number))
        out.put(text(b" "))
        out.put_decimal(u64(0 if index == 0 else 1))
        out.put(text(b" "))
        device = device_of(mount)
        out.put_decimal(u64(major(device)))
        out.put(text(b":"))
        out.put_decimal(u64(minor(device)))
        out.put(text(b" / "))
        put_place(mount, path, out)
        out.put(text(b" "))
        out.put(mount.options)
        out.put(text(b" - "))
        out.put(mount.kind)
        out.put(text(b" "))
        out.put(mount.kind)
        out.put(text(b" rw\n"))


def put_place(mount: Mount, path: Buffer[u8], out: TextBuffer) -> None:
    """Write where a mount is."""
    length = path_of(mount.point, table.root_dentry(), path.slice)
    out.put(path.slice.part(u64(0), length))


def device_of(mount: Mount) -> u64:
    """Return the device number of what is mounted; 0 while nobody has looked into it."""
    root = mount.point.mounted
    if root is None:
        if mount.number != 1:
            return u64(0)
        root = mount.point
    vnode = root.vnode
    return u64(0) if vnode is None else vnode.filesystem.device
