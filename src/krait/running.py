"""Runs a program: its image, a kernel, a machine and the boot words put together.

Both the command line (`krait.cli.run`) and the Python API (`krait.run`) come here. What is imported
at the top is what a run needs whose image and kernel are cached; the rest is imported where a run
turns out to need it.
"""

from __future__ import annotations

import os
import time

from krait.errors import UserError
from krait.image.fast_path import Request as ImageRequest
from krait.image.fast_path import find_prepared
from krait.inherited import inherited_words
from krait.kernel.protocol import boot_words
from krait.kernels import Kernel, find_kernel
from krait.machine import accelerator
from krait.machine.machine import MEBIBYTE, Guest, Machine
from krait.machine.qemu import Qemu
from krait.machine.registry import Registration
from krait.machine.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from krait.image.fast_path import PreparedImage
    from krait.machine.accelerator import Choice
    from krait.machine.descriptors import Standard
    from krait.machine.outcome import Outcome

DEFAULT_MEMORY_BYTES = 512 * MEBIBYTE
_IN_MEMORY_LIMIT_BYTES = 4 * MEBIBYTE
"""Images up to this size are loaded whole (initrd); larger ones are disks, read on demand."""
_PROGRAM_RESERVE_BYTES = MEBIBYTE
_RECORDS_SHARE = 256
"""The kernel has 16 bytes for each frame of 4 KiB (kernel/mm/frames.py)."""
KERNEL_VARIABLE = "KRAIT_KERNEL"
"""Names a kernel file for every run, as `--kernel` does for one: to test a kernel that stays."""
_WATCHDOG_S = 10
"""How often the kernel is looked at; after three times, 30 to 40 seconds, it is stuck."""
_OWN_VARIABLES = "KRAIT_"
_DEFAULT_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


class Request:
    """What a user asks for. Sizes in bytes, times in seconds."""

    def __init__(self, program: str, arguments: list[str]) -> None:
        self.program = program
        self.arguments = arguments
        self.memory_bytes: int | None = None
        self.cpus = 1
        self.environment: dict[str, str] = {}
        self.volumes: list[str] = []
        """`HOST:GUEST`: a host directory to copy and its path in the guest."""
        self.files: list[str] = []
        """Host paths to add under their own names, as if the command line named them."""
        self.finder: str | None = None
        """The language of a program whose name does not tell it."""
        self.traces_files = False
        self.traces_again = False
        self.directory: str | None = None
        self.timeout_s: float | None = None
        self.machine = "microvm"
        self.accelerator = "auto"
        self.root = "auto"
        self.configuration = "default"
        self.kernel: str | None = None
        self.image: str | None = None
        self.kernel_words = ""
        self.traces_calls = False
        self.charts_boot = False
        self.profile_path = ""
        self.samples_hz = 0
        """How often a second to look at what every CPU does; 0: never."""
        self.name: str | None = None
        """What `krait ps` and the like call the machine."""
        self.announce: Callable[[str], None] = _say_nothing


class Plan:
    """A request made concrete: what would be started."""

    __slots__ = (
        "accelerator", "command", "guest", "kernel", "listeners", "machine", "name", "program",
        "timeout_s",
    )  # fmt: skip

    def __init__(
        self,
        program: str,
        guest: Guest,
        kernel: Kernel,
        machine: Machine,
        choice: Choice,
        timeout_s: float | None,
    ) -> None:
        self.program = program
        self.guest = guest
        self.kernel = kernel
        self.machine = machine
        self.accelerator = choice
        self.timeout_s = timeout_s
        self.command: list[str] = [program]
        """The program and its arguments, for people."""
        self.name: str | None = None
        """What the machine is called; one is made if there is none."""
        self.listeners: dict[int, Callable[[bytes], None]] = {}
        """Who takes which messages of the guest's (`kernel/protocol/control.py`)."""


def host_environment() -> dict[str, str]:
    """The user's environment, without what is meant for Krait itself."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(_OWN_VARIABLES)
    }
    if variables.get("LC_CTYPE") == "C.UTF-8" and not _was_set_by_user("LC_CTYPE"):
        del variables["LC_CTYPE"]
    return variables


def _was_set_by_user(name: str) -> bool:
    """Whether a variable was there before the interpreter started: it adds LC_CTYPE (PEP 538)."""
    try:
        with open("/proc/self/environ", "rb") as file:
            return b"\0" + os.fsencode(name) + b"=" in b"\0" + file.read()
    except OSError:
        return True


def default_environment() -> dict[str, str]:
    """For programs that shall learn nothing from the host's environment."""
    return dict(_DEFAULT_ENVIRONMENT)


def plan(request: Request) -> Plan:
    """Find or build what the run needs. Raises UserError."""
    machine = Qemu(request.machine)
    machine.program()
    choice = accelerator.choose(request.accelerator)
    image = _Image(request)
    kernel = _kernel(request)
    memory_bytes = request.memory_bytes or max(DEFAULT_MEMORY_BYTES, image.least_memory)
    reserve = _kernel_reserve(kernel, memory_bytes)
    if memory_bytes < reserve:
        least = reserve // MEBIBYTE
        raise UserError(f"the kernel alone needs {least} MiB of memory; try -m {2 * least}M")
    root = request.root
    if root == "auto" and request.configuration == "least":  # it has no disks
        root = "initrd"
    on_disk = _is_on_disk(root, image.size, memory_bytes - reserve)
    if not on_disk and image.size + reserve > memory_bytes:
        needed = -(-(image.size + reserve) // MEBIBYTE)
        raise UserError(
            f"{request.program}: its image alone needs {needed} MiB of memory; "
            f"try -m {needed}M or --root disk"
        )
    guest = Guest(
        kernel=kernel.path,
        image=image.path,
        image_on_disk=on_disk,
        memory_bytes=memory_bytes,
        cpus=request.cpus,
        words=_words(request, image, on_disk=on_disk),
        extra_words=request.kernel_words,
    )
    planned = Plan(request.program, guest, kernel, machine, choice, request.timeout_s)
    planned.command = [request.program, *request.arguments]
    planned.name = request.name
    return planned


def run(
    planned: Plan, standard: Standard, write_log: Callable[[bytes], None] | None = None
) -> Outcome:
    """Run what has been planned."""
    registration = _register(planned)
    try:
        outcome = Session(
            planned.machine,
            planned.guest,
            accelerator=planned.accelerator.name,
            standard=standard,
            timeout_s=planned.timeout_s,
            program=planned.program,
            write_log=write_log,
            registration=registration,
            listeners=planned.listeners,
        ).run()
    finally:
        if registration is not None:
            registration.close()
    if outcome.kind in ("panic", "stuck"):
        from krait.machine.symbols import explained

        outcome.message = explained(outcome.message, planned.kernel.symbols)
    return outcome


def _register(planned: Plan) -> Registration | None:
    """Let `krait ps` find the machine; without a name of its own that is no condition of a run."""
    guest = planned.guest
    facts = {
        "program": planned.program,
        "command": " ".join(" ".join(planned.command).split()),
        "memory": str(guest.memory_bytes),
        "cpus": str(guest.cpus),
        "kernel": planned.kernel.symbols,
        "image": guest.image or "",
    }
    try:
        return Registration(planned.name, facts)
    except OSError as error:
        if planned.name is None:
            return None
        raise UserError(f"--name: {error.strerror}") from None


def parse_memory(text: str) -> int:
    """Bytes of `64M`, `2G`, `512K`; MiB where there is no unit, as for QEMU."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = units["M"]
    if number[-1:] in units:
        unit = units[number[-1]]
        number = number[:-1]
    if not number.isascii() or not number.isdigit() or int(number) == 0:
        raise UserError(f"'{text}' is not a size of memory; write for example 64M or 2G")
    return int(number) * unit


class _Image:
    """The root file system of a run, and how the program starts in it."""

    def __init__(self, request: Request) -> None:
        self.environment = dict(request.environment)
        if request.image is not None:
            self._take_given(request, request.image)
            return
        prepared = prepare(request)
        self.path = str(prepared.path)
        self.size = prepared.size
        self.program = prepared.program_guest_path
        self.argv = prepared.argv
        self.directory = prepared.cwd
        if os.path.join(self.directory, request.program) == self.program:
            self.program = request.program  # relative, as a shell executes it: scripts see it
        self.least_memory = prepared.least_memory
        self.environment.update(prepared.environment_changes)
        if not prepared.from_cache:
            for note in prepared.notes:
                request.announce(note)

    def _take_given(self, request: Request, path: str) -> None:
        try:
            self.size = os.stat(path).st_size
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}") from None
        self.path = os.path.abspath(path)
        self.program = request.program
        self.argv = [request.program, *request.arguments]
        self.directory = request.directory or "/"
        self.least_memory = 0


def prepare(request: Request) -> PreparedImage:
    """Find or build the image of a request: all that `krait build -- PROGRAM` does."""
    trace = _trace(request)
    wanted = ImageRequest(
        request.program,
        request.arguments,
        request.environment,
        volumes=request.volumes,
        workdir=request.directory,
        extra_files=request.files,
        finder=request.finder,
        trace=trace,
    )
    if (prepared := find_prepared(wanted)) is not None:
        return prepared
    request.announce(f"preparing the image of {request.program}")
    from krait.site_packages import add_site_packages

    add_site_packages()
    from krait.image.prepare import prepare_image

    return prepare_image(
        request.program,
        request.arguments,
        environment=request.environment,
        volumes=request.volumes,
        workdir=request.directory,
        extra_files=request.files,
        finder=request.finder,
        trace=trace,
    )


def _trace(request: Request) -> str | None:
    """The list of files that a run on the host used, if one is wanted."""
    if not (request.traces_files or request.traces_again):
        return None
    import shutil

    from krait.image.tracing import trace_of

    if shutil.which("strace") is None:
        from krait.installation.packages import install_packages

        install_packages(["strace"])
    return trace_of(
        request.program,
        request.arguments,
        request.environment,
        request.directory or os.getcwd(),
        again=request.traces_again,
        seconds=request.timeout_s,
        announce=request.announce,
    )


def _kernel(request: Request) -> Kernel:
    chosen = request.kernel or os.environ.get(KERNEL_VARIABLE)
    if not chosen:
        return find_kernel(request.configuration, request.announce)
    if not os.path.isfile(chosen):
        raise UserError(f"{chosen}: no such kernel file")
    path = os.path.abspath(chosen)
    beside = os.path.join(os.path.dirname(path), "kernel.elf")
    is_stripped = os.path.basename(path) == "kernel.stripped.elf" and os.path.exists(beside)
    return Kernel(path, beside if is_stripped else path)


def _kernel_reserve(kernel: Kernel, memory_bytes: int) -> int:
    """The first mebibyte, which the firmware has, and the kernel behind it with its records."""
    return -(-(kernel.loaded_end() + memory_bytes // _RECORDS_SHARE) // MEBIBYTE) * MEBIBYTE


def _is_on_disk(root: str, size: int, room_bytes: int) -> bool:
    if root == "auto":
        fits = size + _PROGRAM_RESERVE_BYTES <= room_bytes
        return size > _IN_MEMORY_LIMIT_BYTES or not fits
    if root not in ("initrd", "disk"):
        raise UserError(f"unknown root '{root}'; there are: auto, initrd, disk")
    return root == "disk"


def _words(request: Request, image: _Image, *, on_disk: bool) -> list[tuple[bytes, bytes]]:
    """The kernel command line of a run."""
    root = boot_words.ROOT_DISK if on_disk else boot_words.ROOT_INITRD
    words = [(boot_words.ROOT, root), (boot_words.PROGRAM, os.fsencode(image.program))]
    words += [(boot_words.ARGUMENT, os.fsencode(argument)) for argument in image.argv]
    if request.cpus > 1:
        words.append((boot_words.CPUS, str(request.cpus).encode()))
    words.append((boot_words.WATCHDOG, b"%d" % _WATCHDOG_S))
    words.append((boot_words.DIRECTORY, os.fsencode(image.directory)))
    words.append((boot_words.HOST_NAME, os.uname().nodename.encode()))
    words.append((boot_words.USER, b"%d" % os.getuid()))
    words.append((boot_words.GROUP, b"%d" % os.getgid()))
    if groups := os.getgroups():
        words.append((boot_words.GROUPS, ",".join(map(str, groups)).encode()))
    words.append((boot_words.FILE_MASK, b"%o" % _file_mask()))
    words += inherited_words()
    words.append((boot_words.TIME, b"%d" % time.time_ns()))
    if request.traces_calls:
        words.append((boot_words.TRACE_CALLS, b"1"))
    if request.samples_hz:
        words.append((boot_words.PROFILE, b"%d" % request.samples_hz))
    if request.charts_boot:
        words.append((boot_words.BOOT_CHART, b"1"))
    for name, value in image.environment.items():
        words.append((boot_words.ENVIRONMENT, os.fsencode(f"{name}={value}")))
    return words


def _file_mask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _say_nothing(text: str) -> None:
    """Nobody is listening."""
