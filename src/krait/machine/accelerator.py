"""Chooses between KVM and TCG by measurement.

/dev/kvm can be there and still be useless: where KVM itself runs in a guest without nested
hardware virtualisation, ring 0 may be emulated instruction by instruction, a thousand times slower
than TCG. So a throw-away VM runs a timed loop once; the answer is kept for as long as the machine
stays up and QEMU stays the same.
"""

from __future__ import annotations

import contextlib
import os
import time

from krait.cache_folder import cache_folder
from krait.machine import trial
from krait.machine.errors import MachineError
from krait.machine.qemu import Qemu

CHOICES = ("auto", "tcg", "kvm")

_DEVICE = "/dev/kvm"
_TRIAL_ROUNDS = 20_000_000
"""About 0.1 s under TCG, 0.03 s under hardware virtualisation."""
_TRIAL_LIMIT_S = 2.0


class Choice:
    """The accelerator to use, and the measured reason in one line."""

    __slots__ = ("is_news", "name", "reason")

    def __init__(self, name: str, reason: str, *, is_news: bool = False) -> None:
        self.name = name
        self.reason = reason
        self.is_news = is_news
        """The trial has just been made: worth a line to the user."""


def choose(wanted: str) -> Choice:
    """The accelerator for `--accel WANTED`. Raises MachineError if `kvm` was asked for in vain."""
    if wanted == "tcg":
        return Choice("tcg", "asked for")
    if wanted not in CHOICES:
        known = ", ".join(CHOICES)
        raise MachineError(f"unknown accelerator '{wanted}'; there are: {known}")
    problem = device_problem()
    if wanted == "kvm":
        if problem:
            raise MachineError(problem)
        return Choice("kvm", "asked for")
    if problem:
        return Choice("tcg", problem)
    return _remembered_trial()


def device_problem() -> str:
    """Why KVM cannot be used, with the remedy; '' if its device can be opened."""
    if not os.path.exists(_DEVICE):
        return (
            f"{_DEVICE} does not exist: this machine offers no KVM (modprobe kvm); use --accel tcg"
        )
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return f"no permission on {_DEVICE}: run 'sudo usermod -aG kvm $USER' and log in again"
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{_DEVICE} cannot be opened: {error.strerror}; use --accel tcg"
    return ""


def _remembered_trial() -> Choice:
    """The answer of the last trial, if neither machine nor QEMU has been changed since."""
    key = f"{_boot_id()} {_program_identity()}"
    path = os.path.join(cache_folder(), "accelerator")
    with contextlib.suppress(OSError, ValueError):
        with open(path, encoding="utf-8") as file:
            known, name, reason = file.read().split("\n")[:3]
        if known == key:
            return Choice(name, reason)
    choice = measure()
    choice.is_news = True
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(f"{key}\n{choice.name}\n{choice.reason}\n")
        os.replace(temporary, path)
    return choice


def measure() -> Choice:
    """Run the timed loop under both accelerators."""
    tcg = time_trial("tcg", _TRIAL_LIMIT_S)
    kvm = time_trial("kvm", _TRIAL_LIMIT_S)
    if kvm is None:
        return Choice("tcg", "KVM did not run a short test machine in time")
    if tcg is None:
        return Choice("kvm", f"a test loop takes {kvm:.2f} s under KVM and does not run under TCG")
    figures = f"a test loop takes {kvm:.2f} s under KVM and {tcg:.2f} s under TCG"
    return Choice("kvm" if kvm <= tcg else "tcg", figures)


def time_trial(accelerator: str, limit_s: float) -> float | None:
    """Seconds that the loop takes, the start of the VM included; None if it does not end well."""
    return run_trial(trial.timed_loop(_TRIAL_ROUNDS), accelerator, limit_s)


def run_trial(kernel: bytes, accelerator: str, limit_s: float) -> float | None:
    """Seconds until a kernel of `trial` has ended the VM; None if it failed to in time."""
    import tempfile  # as below

    with tempfile.NamedTemporaryFile(prefix="krait-", suffix=".elf") as file:
        file.write(kernel)
        file.flush()
        command = [Qemu().program(), "-machine", "microvm,acpi=off", "-m", "16M"]
        command += ["-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max"]
        command += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-kernel", file.name]
        return _time(command, limit_s)


def _time(command: list[str], limit_s: float) -> float | None:
    import subprocess  # not loaded by a run whose choice is remembered

    started = time.monotonic()
    try:
        status = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=limit_s,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return None
    return time.monotonic() - started if status == trial.STATUS else None


def _boot_id() -> str:
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
    return "unknown"


def _program_identity() -> str:
    """QEMU's path, size and time: what changes with its version, without starting it."""
    path = os.path.realpath(Qemu().program())
    kind = os.stat(path)
    return f"{path}:{kind.st_size}:{kind.st_mtime_ns}"
