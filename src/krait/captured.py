"""Runs a program with its output captured: `krait.run` and `krait run --json`."""

from __future__ import annotations

import os
import time

from krait import running
from krait.machine.descriptors import Standard
from krait.running import Request

_UTF8 = "utf-8"


class Result:
    """What a captured run gave."""

    __slots__ = ("kind", "log", "message", "seconds", "status", "stderr", "stdout")

    def __init__(
        self, *, status: int, kind: str, message: str, stdout: bytes, stderr: bytes, log: bytes
    ) -> None:
        self.status = status
        """As a shell would see it: 0 to 255; 128+N for a signal, 124 for the time limit."""
        self.kind = kind
        """exit, signal, timeout, panic, image, memory, exec, died, stopped, reboot."""
        self.message = message
        """One line about an end that is not the program's own."""
        self.stdout = stdout
        self.stderr = stderr
        self.log = log
        """What the kernel said."""
        self.seconds = 0.0

    def as_dictionary(self) -> dict[str, object]:
        """For JSON; bytes that are not UTF-8 are replaced."""
        return {
            "status": self.status,
            "kind": self.kind,
            "message": self.message,
            "seconds": round(self.seconds, 4),
            "stdout": self.stdout.decode(_UTF8, "replace"),
            "stderr": self.stderr.decode(_UTF8, "replace"),
            "log": self.log.decode(_UTF8, "replace"),
        }

    def __repr__(self) -> str:
        return f"Result(status={self.status}, kind={self.kind!r}, seconds={self.seconds:.3f})"


def run_captured(request: Request, input: bytes | None = None) -> Result:
    """Run the program with the given standard input; None passes on our own."""
    planned = running.plan(request)
    log = bytearray()
    files = [os.memfd_create(name) for name in ("output", "errors")]
    output, errors = files
    try:
        source = 0
        if input is not None:
            source = os.memfd_create("input")
            files.append(source)
            _write_all(source, input)
            os.lseek(source, 0, os.SEEK_SET)
        standard = Standard(input=source, output=output, errors=errors)
        started = time.monotonic()
        outcome = running.run(planned, standard, log.extend)
        result = Result(
            status=outcome.status,
            kind=outcome.kind,
            message=outcome.message if outcome.kind != "exit" else "",
            stdout=_content(output),
            stderr=_content(errors),
            log=bytes(log),
        )
        result.seconds = time.monotonic() - started
        return result
    finally:
        for file in files:
            os.close(file)


def run(
    command: list[str],
    *,
    memory: str | int | None = None,
    cpus: int = 1,
    timeout: float | None = None,
    env: dict[str, str] | None = None,
    cwd: str | None = None,
    volumes: dict[str, str] | None = None,
    input: bytes | str = b"",
    machine: str = "microvm",
    accel: str = "auto",
) -> Result:
    """Run a program of the host in a virtual machine of its own, and return what came of it.

        result = krait.run(["python3", "-c", code], memory="64M", timeout=5)
        result.status, result.stdout

    `env` is the whole environment of the program (a small neutral one by default: nothing of the
    caller's), `volumes` maps host directories to paths in the guest, into which they are copied.
    The program has no network. Raises krait.UserError when the run cannot be started at all.
    """
    if not command:
        raise ValueError("the command is empty")
    request = Request(command[0], list(command[1:]))
    if memory is not None:
        request.memory_bytes = memory if isinstance(memory, int) else running.parse_memory(memory)
    request.cpus = cpus
    request.timeout_s = timeout
    request.environment = running.default_environment() if env is None else dict(env)
    request.directory = cwd
    request.volumes = [
        f"{os.path.abspath(host)}:{guest}" for host, guest in (volumes or {}).items()
    ]
    request.machine = machine
    request.accelerator = accel
    return run_captured(request, input.encode() if isinstance(input, str) else input)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)
