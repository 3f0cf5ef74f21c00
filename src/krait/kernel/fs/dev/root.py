"""/dev: a file system in memory that starts with the usual nodes.

Device numbers are Linux's (Documentation/admin-guide/devices.txt).
"""

from __future__ import annotations

from krait.kernel.fs.dev import latency_device, memory_devices, terminal_devices
from krait.kernel.fs.file_system import device_numbers
from krait.kernel.fs.modes import CHARACTER_DEVICE
from krait.kernel.fs.ramfs.directory import RamDirectory, make_ram_directory
from krait.kernel.fs.ramfs.file_system import RamFileSystem
from krait.kernel.fs.vnode import Vnode
from krait.kernel.lang import Text, text, u32, u64
from krait.kernel.mm import frames


class DevFileSystem(RamFileSystem):
    """The store of /dev."""

    def kind(self) -> Text:
        """Return Linux's name for it."""
        return text(b"devtmpfs")


def make_dev_root() -> Vnode:
    """Make the directory and its nodes."""
    half = frames.total() // 2
    store = DevFileSystem(device=device_numbers.take(), pages_max=half, files_max=half)
    root = make_ram_directory(store, u32(0o755))
    memory_devices.start()
    terminal_devices.start()
    latency_device.start()
    add_device(root, text(b"null"), u64(0x103))
    add_device(root, text(b"zero"), u64(0x105))
    add_device(root, text(b"full"), u64(0x107))
    add_device(root, text(b"random"), u64(0x108))
    add_device(root, text(b"urandom"), u64(0x109))
    add_device(root, text(b"tty"), u64(0x500))
    add_device(root, text(b"console"), u64(0x501))
    root.make_node(text(b"cpu_dma_latency"), u32(CHARACTER_DEVICE | 0o600), u64(0xA7A))
    root.symlink(text(b"fd"), text(b"/proc/self/fd"))
    root.symlink(text(b"stdin"), text(b"/proc/self/fd/0"))
    root.symlink(text(b"stdout"), text(b"/proc/self/fd/1"))
    root.symlink(text(b"stderr"), text(b"/proc/self/fd/2"))
    root.make_directory(text(b"shm"), u32(0o1777))
    root.make_directory(text(b"mqueue"), u32(0o1777))
    return root


def add_device(root: RamDirectory, name: Text, rdev: u64) -> None:
    """Add a device that anybody may use; major and minor are the bytes of `rdev`."""
    root.make_node(name, u32(CHARACTER_DEVICE | 0o666), rdev)
