"""/proc/PID/mounts and mountinfo."""

from __future__ import annotations

from typing import Final

from krait.kernel.fs.dentry import Dentry
from krait.kernel.fs.file_system import major, minor
from krait.kernel.fs.mount import Mount, cross, table
from krait.kernel.fs.path import path_of
from krait.kernel.fs.sys.cgroup import control_group
from krait.kernel.fs.text_buffer import TextBuffer
from krait.kernel.lang import Buffer, Errno, text, u8, u32, u64

PATH_ROOM: Final = 4096
GROUP_OPTIONS: Final = b"rw,nosuid,nodev,noexec,relatime"


def write_mounts(out: TextBuffer) -> None:
    """Write a line a mount: source, place, kind, options."""
    visit_all()
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
    out.put(text(b"cgroup2 /sys/fs/cgroup cgroup2 "))
    out.put(text(GROUP_OPTIONS))
    out.put(text(b" 0 0\n"))


def write_mountinfo(out: TextBuffer) -> None:
    """Write a line a mount with numbers (proc_pid_mountinfo(5))."""
    visit_all()
    path = Buffer[u8](length=u64(PATH_ROOM))
    system: u32 = 1
    for index in range(table.count):
        mount = table.mounts[index]
        if mount is None:
            continue
        if mount.kind.equals(text(b"sysfs")):
            system = mount.number
        out.put_decimal(u64(mount.number))
        put_parent_and_device(u64(0 if index == 0 else 1), device_of(mount), out)
        put_place(mount, path, out)
        out.put(text(b" "))
        out.put(mount.options)
        out.put(text(b" - "))
        out.put(mount.kind)
        out.put(text(b" "))
        out.put(mount.kind)
        out.put(text(b" rw\n"))
    out.put_decimal(u64(table.last_number) + 1)
    put_parent_and_device(u64(system), control_group.device, out)
    out.put(text(b"/sys/fs/cgroup "))
    out.put(text(GROUP_OPTIONS))
    out.put(text(b" - cgroup2 cgroup2 rw\n"))


def visit_all() -> None:
    """Let the roots of all mounts be made, so that each has its device number."""
    for index in range(table.count):
        if (mount := table.mounts[index]) is not None:
            cross(mount.point)
            if mount.kind.equals(text(b"sysfs")):
                visit_control_group(mount.point)


def visit_control_group(point: Dentry) -> None:
    """Do so for the file system that is always inside /sys."""
    vnode = cross(point).vnode
    try:
        if vnode is not None:
            vnode.lookup(text(b"fs")).lookup(text(b"cgroup"))
    except Errno:
        return


def put_parent_and_device(parent: u64, device: u64, out: TextBuffer) -> None:
    """Write the mount that holds this one, and the device number; the whole device is mounted."""
    out.put(text(b" "))
    out.put_decimal(parent)
    out.put(text(b" "))
    out.put_decimal(u64(major(device)))
    out.put(text(b":"))
    out.put_decimal(u64(minor(device)))
    out.put(text(b" / "))


def put_place(mount: Mount, path: Buffer[u8], out: TextBuffer) -> None:
    """Write where a mount is."""
    length = path_of(mount.point, table.root_dentry(), path.slice)
    out.put(path.slice.part(u64(0), length))


def device_of(mount: Mount) -> u64:
    """Return the device number of what is mounted."""
    root = mount.point.mounted
    if root is None:
        if mount.number != 1:
            return u64(0)
        root = mount.point
    vnode = root.vnode
    return u64(0) if vnode is None else vnode.filesystem.device
