"""The contract of a hypervisor: it turns a guest and its plumbing into a command.

A `Guest` says what runs, in no hypervisor's terms. A `Plumbing` says where the guest's consoles
end on the host. A `Machine` knows one hypervisor and one of its boards. It starts nothing itself:
`session` does, so that signals, terminals, time limits and the reading of the outcome are written
once.

Callers must not rely on the order of the arguments in a command, nor on a command being usable
twice: it may name descriptors that only the session's child has.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

MEBIBYTE = 1 << 20


class Guest:
    """One virtual machine to be."""

    __slots__ = ("cpus", "extra_words", "image", "image_on_disk", "kernel", "memory_bytes", "words")

    def __init__(
        self,
        *,
        kernel: str,
        image: str | None = None,
        image_on_disk: bool = False,
        memory_bytes: int = 512 * MEBIBYTE,
        cpus: int = 1,
        words: list[tuple[bytes, bytes]] | None = None,
        extra_words: str = "",
    ) -> None:
        self.kernel = kernel
        """Path of the ELF file with a PVH note."""
        self.image = image
        """Path of the root file system."""
        self.image_on_disk = image_on_disk
        """The image is a virtio-blk disk; else it is in memory from the start."""
        self.memory_bytes = memory_bytes
        self.cpus = cpus
        self.words = words if words is not None else []
        """The kernel command line (`krait.kernel.protocol.boot_words`), values not yet escaped."""
        self.extra_words = extra_words
        """The user's own addition to the command line, as it stands."""


class Channel:
    """Where one direction or console of the guest ends: a descriptor, a path, or nowhere."""

    __slots__ = ("descriptor", "kind", "path")

    NOWHERE = "nowhere"
    PATH = "path"
    """Opened by the hypervisor, for appending."""
    DESCRIPTOR = "descriptor"
    """Inherited by the hypervisor; open for writing only."""
    SOCKET = "socket"
    """Inherited by the hypervisor; a connected socket, used both ways."""

    def __init__(self, kind: str, *, path: str = "", descriptor: int = -1) -> None:
        self.kind = kind
        self.path = path
        self.descriptor = descriptor


class Plumbing:
    """Where the guest's consoles end.

    Framed standard input is always the hypervisor's own descriptor 0: it is the only file that QEMU
    reads from without also writing to it. The control channel is one socket by two descriptors:
    each of the guest's ports has one of its own.
    """

    __slots__ = (
        "control",
        "control_input",
        "errors",
        "log",
        "outcome",
        "output",
        "reads_input",
        "words_path",
    )

    def __init__(
        self,
        *,
        output: Channel,
        errors: Channel,
        control: Channel,
        control_input: Channel,
        log: Channel,
        outcome: Channel,
        reads_input: bool,
        words_path: str | None = None,
    ) -> None:
        self.output = output
        self.errors = errors
        self.control = control
        self.control_input = control_input
        self.log = log
        self.outcome = outcome
        self.reads_input = reads_input
        """There is framed standard input on descriptor 0."""
        self.words_path = words_path
        """A file for the part of the boot words that does not fit on the command line."""


class Machine(ABC):
    """One hypervisor with one board."""

    name: str
    """What `--machine` calls it."""

    @abstractmethod
    def program(self) -> str:
        """The path of the hypervisor. Raises MachineError, with the remedy, if there is none."""

    @abstractmethod
    def command(self, guest: Guest, plumbing: Plumbing, accelerator: str) -> list[str]:
        """The command that runs the guest and ends when the guest has ended.

        `accelerator` is a concrete one, never `auto`. Raises MachineError for what this machine
        cannot do.
        """
