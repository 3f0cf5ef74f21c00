"""A process that compiles kernel modules above the stand-ins and takes calls through a pipe."""

from __future__ import annotations

import importlib.util
import multiprocessing
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
STAND_INS = {
    "krait.kernel.mm.frames": "frames",
    "krait.kernel.mm.shrinker": "shrinker",
    "krait.kernel.sched.clock": "clock",
    "krait.kernel.sched.mutex": "mutex",
    "krait.kernel.sched.spin_lock": "spin_lock",
    "krait.kernel.sched.wait_queue": "wait_queue",
}


def _replace_what_is_below() -> None:
    for name, file in STAND_INS.items():
        parent_name, _, attribute = name.rpartition(".")
        parent = importlib.import_module(parent_name)
        path = HERE / "below" / f"{file}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        setattr(parent, attribute, module)


def _serve(connection: Connection, modules: list[str]) -> None:
    sys.path.insert(0, str(HERE))
    _replace_what_is_below()
    from krait.compiler.diagnostics import CompilationFailed
    from krait.compiler.worker import HostWorker
    from krait.kernel.lang import Errno

    try:
        worker = HostWorker(modules)
    except CompilationFailed as failed:
        connection.send(("failed", "\n".join(str(each) for each in failed.diagnostics)))
        return
    except Exception as error:  # noqa: BLE001  (the C compiler's, say; nobody must wait for ever)
        connection.send(("failed", str(error)))
        return
    connection.send(("ready", None))
    while (request := connection.recv()) is not None:
        name, arguments = request
        try:
            if name == "restart":
                worker.restart()
                result: Any = None
            elif name == "live_objects":
                result = worker.live_objects()
            elif name == "limit_allocations":
                result = worker.limit_allocations(*arguments)
            else:
                result = worker.call(name, *arguments)
            changed = [bytes(a) if isinstance(a, bytearray) else None for a in arguments]
            connection.send(("value", (result, changed)))
        except Errno as error:
            connection.send(("errno", int(error.code)))
        except BaseException as error:  # noqa: BLE001  (a panic is one)
            connection.send(("died", f"{type(error).__name__}: {error}"))
    worker.close()


class Died(Exception):
    """A panic, or a sanitizer's finding."""


class FileSystemWorker:
    """The kernel's file systems in another process; each call is to a function of a module."""

    def __init__(self, modules: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, modules), daemon=True)
        self.process.start()
        kind, value = self.connection.recv()
        if kind != "ready":
            raise RuntimeError(value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function; raises OSError with the errno that it raised, Died for a panic."""
        self.connection.send((name, arguments))
        kind, value = self.connection.recv()
        if kind == "errno":
            raise OSError(value, "")
        if kind == "died":
            raise Died(value)
        result, changed = value
        for argument, after in zip(arguments, changed, strict=True):
            if after is not None:
                argument[:] = after
        return result

    def close(self) -> None:
        """End the process."""
        self.connection.send(None)
        self.process.join(5)
