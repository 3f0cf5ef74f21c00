"""A Linux guest to compare with: Debian's cloud kernel with one program as init's only child.

The kernel comes from the package `linux-image-cloud-amd64`, fetched by apt without being installed
and kept in the cache folder. The root is an initramfs: init, the program, its libraries and the
files that it is given. A program bigger than a few MiB lies on a disk instead (`disk.py`), which
init mounts and changes into; unpacking it at every start would cost Linux more than it should.
"""

from __future__ import annotations

import lzma
import os
import re
import shutil
import stat
import struct
import subprocess
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from linux_guest.disk import MODULES, make_disk

HERE = Path(__file__).resolve().parent
CPIO_MAGIC = b"070701"  # newc, Documentation/driver-api/early-userspace/buffer-format.rst
META_PACKAGE = "linux-image-cloud-amd64"


class LinuxGuest:
    """The kernel and the recipe for its command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.kernel = folder / "vmlinux"
        self.modules = [folder / f"{name}.ko" for name in MODULES]
        if not all(path.exists() for path in (self.kernel, *self.modules)):
            self._fetch()
        self.init = folder / "init"
        source = HERE / "init.c"
        if not self.init.exists() or self.init.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(
                ["gcc", "-Os", "-static", "-s", "-w", "-o", self.init, source], check=True
            )

    def image(self, program: str, arguments: Sequence[str], files: Iterable[str] = ()) -> Path:
        """An initramfs that runs `program`; the same one is made only once."""
        recipe = zlib.crc32(repr((program, arguments, sorted(files), os.stat(program))).encode())
        target = self.folder / f"{Path(program).name}-{recipe:08x}.cpio"
        if not target.exists():
            target.write_bytes(_initramfs(self.init, program, arguments, files))
        return target

    def disk_command(
        self, program: str, arguments: Sequence[str], files: Iterable[str], memory: str
    ) -> list[str]:
        """QEMU's command line for a program that lies on a disk."""
        contents = _closure(program, files)
        disk = make_disk(self.folder, contents)
        recipe = zlib.crc32(repr((program, arguments)).encode())
        small = self.folder / f"{Path(program).name}-{recipe:08x}.disk.cpio"
        small.write_bytes(_start_from_disk(self.init, self.modules, program, arguments))
        drive = f"driver=file,node-name=disk,read-only=on,locking=off,filename={disk}"
        more = ("-blockdev", drive, "-device", "virtio-blk-device,drive=disk")
        return self.command(small, memory, more=more, words="ondisk=1")

    def command(
        self, image: Path, memory: str, machine: str = "microvm", more: Sequence[str] = (),
        cpus: int = 1, words: str = "nodisk=1",
    ) -> list[str]:  # fmt: skip
        """QEMU's command line, with the TSC's rate: calibrating it on a busy host hangs.

        Under `-icount shift=0` the TSC ticks once a nanosecond of the guest's time.
        """
        khz = 1_000_000 if "-icount" in more else _tsc_khz()
        board = "microvm,rtc=on" if machine == "microvm" else machine
        line = (
            f"console=ttyS0 quiet panic=-1 reboot=t tsc_early_khz={khz} tsc=reliable"
            f" no_timer_check nonet=1 {words}"
        )
        return [
            "qemu-system-x86_64", "-machine", board, "-accel", "tcg", "-cpu", "max",
            "-smp", str(cpus), "-m", memory, "-display", "none", "-nodefaults", "-no-user-config",
            "-serial", "stdio", "-no-reboot", "-device", "isa-debug-exit", *more,
            "-kernel", str(self.kernel), "-initrd", str(image), "-append", line,
        ]  # fmt: skip

    def _fetch(self) -> None:
        """Download the package; unpack its kernel (it starts 0.25 s faster so) and keep modules."""
        shown = subprocess.run(
            ["apt-cache", "depends", META_PACKAGE], capture_output=True, text=True, check=True
        ).stdout
        found = re.search(r"Depends: (linux-image-\S+)", shown)
        if found is None:
            raise RuntimeError(f"apt knows no {META_PACKAGE}; run apt-get update")
        subprocess.run(["apt-get", "download", found[1]], cwd=self.folder, check=True,
                       capture_output=True)  # fmt: skip
        package = next(self.folder.glob("linux-image-*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, self.folder / "package"], check=True)
        image = next((self.folder / "package" / "boot").glob("vmlinuz-*"))
        self.kernel.write_bytes(_unpack(image.read_bytes()))
        for path in self.modules:
            module = next((self.folder / "package" / "lib" / "modules").rglob(path.name))
            shutil.copyfile(module, path)
        package.unlink()
        shutil.rmtree(self.folder / "package")


def _unpack(image: bytes) -> bytes:
    """The ELF file inside a bzImage, or the image itself when nothing here can unpack it.

    The header says where the payload lies (Documentation/arch/x86/boot.rst: setup_sects,
    payload_offset, payload_length).
    """
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start : start + length]
    if payload.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMADecompressor().decompress(payload)
    if payload.startswith(b"\x1f\x8b\x08"):
        return zlib.decompressobj(31).decompress(payload)
    if payload.startswith(b"\x02\x21\x4c\x18") and shutil.which("lz4"):
        # The four bytes behind the stream are its unpacked size, which lz4 takes for a bad block.
        command = ["lz4", "-dc"]
        return subprocess.run(command, input=payload[:-4], capture_output=True, check=True).stdout
    return image


def _tsc_khz() -> int:
    """The rate of this machine's TSC, from the kernel log or from /proc/cpuinfo."""
    log = subprocess.run(["dmesg"], capture_output=True, text=True, check=False).stdout
    if (found := re.search(r"tsc: Detected ([\d.]+) MHz", log)) is not None:
        return int(float(found[1]) * 1000)
    found = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text())
    return int(float(found[1]) * 1000) if found else 2_500_000


def _initramfs(init: Path, program: str, arguments: Sequence[str], files: Iterable[str]) -> bytes:
    """A newc archive with the program in it."""
    return _archive(init, program, arguments, _closure(program, files))


def _start_from_disk(
    init: Path, modules: Iterable[Path], program: str, arguments: Sequence[str]
) -> bytes:
    """A newc archive with what finds the disk; init loads the modules in the order of a list."""
    contents = {f"/{path.name}": (0o644, path.read_bytes()) for path in modules}
    listed = "".join(f"{name}\n" for name in contents)
    contents["/modules"] = (0o644, listed.encode())
    return _archive(init, program, arguments, contents)


def _closure(program: str, files: Iterable[str]) -> dict[str, tuple[int, bytes]]:
    """The program, files and folders, and the libraries of what is ELF."""
    contents: dict[str, tuple[int, bytes]] = {}
    for path in [program, *files]:
        _add(contents, path)
    return contents


def _archive(
    init: Path, program: str, arguments: Sequence[str], contents: dict[str, tuple[int, bytes]]
) -> bytes:
    """Pack files, init, and the command that it is to run."""
    contents["/init"] = (0o755, init.read_bytes())
    contents["/cmd"] = (0o644, "\n".join([program, *arguments]).encode() + b"\n")
    archive = _Archive()
    for folder in ("/dev", "/tmp", "/root"):
        archive.directory(folder)
    archive.entry("/dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    for path, (mode, data) in sorted(contents.items()):
        archive.directory(os.path.dirname(path))
        archive.entry(path, stat.S_IFREG | mode, data)
    archive.entry("TRAILER!!!", 0)
    return bytes(archive.data)


def _add(contents: dict[str, tuple[int, bytes]], path: str) -> None:
    """Add a file or a folder, and the libraries of what is ELF."""
    if os.path.isdir(path):
        for parent, _, names in os.walk(path):
            for name in names:
                _add(contents, os.path.join(parent, name))
        return
    real = os.path.realpath(path)
    if path in contents or not os.path.isfile(real):
        return
    data = Path(real).read_bytes()
    contents[path] = (0o755, data)
    if data.startswith(b"\x7fELF") and shutil.which("ldd"):
        listed = subprocess.run(["ldd", real], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(?:=> )?(/\S+) \(0x", listed):
            _add(contents, library)


class _Archive:
    """A cpio archive under construction."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.folders: set[str] = {"", "/"}
        self.inode = 1

    def directory(self, path: str) -> None:
        """Add a folder after those that it is in."""
        if path not in self.folders:
            self.directory(os.path.dirname(path))
            self.folders.add(path)
            self.entry(path, stat.S_IFDIR | 0o755)

    def entry(
        self, path: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
    ) -> None:
        """Add one entry."""
        self.inode += 1
        name = path.lstrip("/").encode() + b"\0"
        numbers = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        self.data += CPIO_MAGIC + b"".join(b"%08X" % number for number in numbers) + name
        self.data += b"\0" * (-len(self.data) % 4) + data
        self.data += b"\0" * (-len(self.data) % 4)
