"""QEMU, with the boards microvm (the fastest start), q35 and pc.

Measured with QEMU 7.2 under TCG, a guest of two instructions, 64 MiB, whole process: 14 ms are
QEMU's own dynamic linking, microvm takes 23 ms, q35 75, pc 61. Without PIC and PIT microvm gains
1 to 2 ms; the four virtio devices, 1 GiB instead of 64 MiB, and a 4 MiB initrd cost less than 1 ms
each.

microvm takes `acpi=off`: QEMU then appends `virtio_mmio.device=…` words to the command line
(hw/i386/microvm.c, microvm_fix_kernel_cmdline) in the order in which the devices were given, and
no AML has to be interpreted. On q35 and pc the devices sit on the PCI bus in the order given.
"""

from __future__ import annotations

import os

from krait.kernel.protocol import boot_words, outcome
from krait.machine.boot_line import boot_line
from krait.machine.errors import MachineError
from krait.machine.machine import MEBIBYTE, Channel, Guest, Machine, Plumbing

PROGRAM = "qemu-system-x86_64"
INSTALL = "apt-get install qemu-system-x86"

_MICROVM = "microvm,acpi=off,pic=off,pit=off,rtc=on,isa-serial=on,auto-kernel-cmdline=on"

_BOARDS: dict[str, tuple[str, list[str], str]] = {
    # name: board with its properties, further arguments, suffix of virtio devices
    "microvm": (_MICROVM, ["-global", "virtio-mmio.force-legacy=false"], "device"),
    "q35": ("q35,usb=off,vmport=off", [], "pci,disable-legacy=on"),
    "pc": ("pc,usb=off,vmport=off", [], "pci,disable-legacy=on"),
}

BOARDS = tuple(_BOARDS)


class Qemu(Machine):
    """One of QEMU's x86-64 boards."""

    def __init__(self, name: str = "microvm") -> None:
        if name not in _BOARDS:
            known = ", ".join(BOARDS)
            raise MachineError(f"unknown machine '{name}'; there are: {known}")
        self.name = name

    def program(self) -> str:
        """The path of qemu-system-x86_64."""
        for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
            path = os.path.join(folder, PROGRAM)
            if os.access(path, os.X_OK):
                return path
        raise MachineError(f"QEMU is not installed ({PROGRAM}); install it with: {INSTALL}")

    def command(self, guest: Guest, plumbing: Plumbing, accelerator: str) -> list[str]:
        """The QEMU command line."""
        board, settings, _ = _BOARDS[self.name]
        line, words = boot_line(guest.words, guest.extra_words)
        command = [self.program(), "-machine", board, *settings]
        command += ["-accel", accelerator, "-cpu", _cpu(accelerator)]
        command += ["-m", _memory(guest.memory_bytes), "-smp", str(guest.cpus)]
        command += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        command += ["-kernel", guest.kernel, "-append", line]
        if words:
            command += _words_file(words, plumbing.words_path)
        command += self._consoles(plumbing)
        command += _outcome(plumbing.outcome)
        command += ["-device", "ib700", "-action", "watchdog=inject-nmi"]
        command += self._device("virtio-rng")
        if guest.image is not None:
            command += self._image(guest.image, on_disk=guest.image_on_disk)
        return command

    def _consoles(self, plumbing: Plumbing) -> list[str]:
        """The three virtio consoles in the order of `console_frames.Console`, and the log.

        What the guest sends goes through a `virtserialport`: a `virtconsole` drops what a slow
        reader does not take at once (hw/char/virtio-console.c, flush_buf). What it receives goes
        through port 0, which can only be a `virtconsole`: QEMU gives port 1 nothing before the
        guest has negotiated ports.
        """
        arguments = []
        if plumbing.reads_input:
            arguments += ["-chardev", "stdio,id=input,signal=off"]
        arguments += _channel("output", plumbing.output)
        arguments += _channel("errors", plumbing.errors)
        arguments += _channel("control", plumbing.control)
        arguments += _channel("control-input", plumbing.control_input)
        arguments += _channel("log", plumbing.log)
        arguments += self._device("virtio-serial", "id=first,max_ports=2")
        if plumbing.reads_input:
            arguments += ["-device", "virtconsole,bus=first.0,nr=0,chardev=input"]
        arguments += ["-device", "virtserialport,bus=first.0,nr=1,chardev=output"]
        arguments += self._device("virtio-serial", "id=second,max_ports=2")
        arguments += ["-device", "virtserialport,bus=second.0,nr=1,chardev=errors"]
        arguments += self._device("virtio-serial", "id=third,max_ports=2")
        arguments += ["-device", "virtconsole,bus=third.0,nr=0,chardev=control-input"]
        arguments += ["-device", "virtserialport,bus=third.0,nr=1,chardev=control"]
        return [*arguments, "-serial", "chardev:log"]

    def _image(self, path: str, *, on_disk: bool) -> list[str]:
        if not on_disk:
            return ["-initrd", path]
        name = path.replace(",", ",,")
        node = f"driver=file,node-name=image,filename={name},read-only=on,locking=off"
        return ["-blockdev", node, *self._device("virtio-blk", "drive=image")]

    def _device(self, kind: str, properties: str = "") -> list[str]:
        device = f"{kind}-{_BOARDS[self.name][2]}"
        return ["-device", f"{device},{properties}" if properties else device]


def _cpu(accelerator: str) -> str:
    """The model of the CPU.

    Without ERMS under TCG: C libraries copy and fill by `rep movsb` and `rep stosb` where it says
    that those are fast, and TCG does them byte by byte. 128 KiB blocks with glibc's AVX2 loops take
    0.35 of the time of the whole process; programs that move little memory do not notice.
    """
    return "host" if accelerator == "kvm" else "max,-erms"


def _memory(size: int) -> str:
    if size % MEBIBYTE:
        return f"{size // 1024}K"
    return f"{size // MEBIBYTE}M"


def _channel(name: str, channel: Channel) -> list[str]:
    """A character device for one console."""
    if channel.kind == Channel.SOCKET:
        return ["-chardev", f"socket,id={name},fd={channel.descriptor}"]
    if channel.kind == Channel.PATH:
        path = channel.path.replace(",", ",,")
        return ["-chardev", f"file,id={name},path={path},append=on"]
    if channel.kind == Channel.DESCRIPTOR:
        # Without append=on QEMU would truncate the file (util/osdep.c, qemu_dup_flags).
        number = channel.descriptor
        file_set = ["-add-fd", f"fd={number},set={number}"]
        return [*file_set, "-chardev", f"file,id={name},path=/dev/fdset/{number},append=on"]
    return ["-chardev", f"null,id={name}"]


def _outcome(channel: Channel) -> list[str]:
    """The debug port with its file, and the port that ends QEMU."""
    port = f"isa-debugcon,iobase={outcome.PORT:#x},chardev=outcome"
    end = f"isa-debug-exit,iobase={outcome.EXIT_PORT:#x},iosize={outcome.EXIT_PORT_SIZE}"
    return [*_channel("outcome", channel), "-device", port, "-device", end]


def _words_file(words: str, path: str | None) -> list[str]:
    """Boot words beyond the command line, as a file of the firmware."""
    name = boot_words.WORDS_FILE.decode("ascii")
    source = f"string={words.replace(',', ',,')}" if path is None else f"file={path}"
    return ["-fw_cfg", f"name={name},{source}"]
