"""Run methods of CPython's own suite and say how each ended: on the host and in the machine.

The plan comes from standard input as JSON; every line of standard output that begins with `@@` is
a record. A method's start is a record too, so that the one that ends the whole process is known.
Audit events tell which methods start processes or open internet sockets: on the host they are
recorded beside the outcome, and the host's list decides what the machine is asked to run.

It runs with the interpreter of the suite and nothing but its standard library.
"""

from __future__ import annotations

import _posixsubprocess
import faulthandler
import gc
import io
import json
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import unittest
from collections.abc import Iterable, Iterator
from typing import Any

PROCESS_EVENTS = frozenset(
    ("os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen", "pty.spawn")
)
INTERNET_EVENTS = frozenset(
    ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getservbyname")
)
INTERNET_FAMILIES = (2, 10)  # AF_INET, AF_INET6
CLOCK_SETTERS = ("clock_settime", "clock_settime_ns", "settimeofday")
WHY_MAX = 1500


class Recorder:
    """Writes records to the standard output that the process began with."""

    def __init__(self) -> None:
        self.descriptor = os.dup(1)
        self.lock = threading.Lock()

    def write(self, **record: Any) -> None:
        """Write one line at once."""
        with self.lock:
            os.write(self.descriptor, b"\n@@" + json.dumps(record).encode() + b"\n")


class Watch:
    """What the tests do that belongs to other issues: seen by audit events (PEP 578)."""

    def __init__(self) -> None:
        self.reasons: set[str] = set()

    def watch_multiprocessing(self) -> None:
        """Note the starting and the use of its helper processes, which no audit event tells."""
        self._note_calls(_posixsubprocess, "fork_exec")
        for name, helper in (("resource_tracker", "ResourceTracker"), ("forkserver", "ForkServer")):
            module = sys.modules.get(f"multiprocessing.{name}")
            if module is not None:
                self._note_calls(getattr(module, helper), "ensure_running")

    def _note_calls(self, owner: Any, name: str) -> None:
        function = getattr(owner, name)
        if hasattr(function, "noted"):
            return

        def noting(*arguments: Any) -> Any:
            self.reasons.add("process")
            return function(*arguments)

        noting.noted = True  # type: ignore[attr-defined]
        setattr(owner, name, noting)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a reason."""
        if event in PROCESS_EVENTS:
            self.reasons.add("process")
        elif event in INTERNET_EVENTS:
            self.reasons.add("internet")
        elif event == "socket.__new__" and arguments[1] in INTERNET_FAMILIES:
            self.reasons.add("internet")


class Result(unittest.TestResult):
    """Records each method's outcome; the worst of several parts counts."""

    def __init__(self, recorder: Recorder, watch: Watch, limit_s: float) -> None:
        super().__init__()
        self.recorder = recorder
        self.watch = watch
        self.limit_s = limit_s
        self.outcome = "ok"
        self.why = ""
        self.started = 0.0
        self.inside = False

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome, self.why, self.inside = "ok", "", True
        self.watch.reasons.clear()
        self.watch.watch_multiprocessing()
        self.recorder.write(start=test.id())
        faulthandler.dump_traceback_later(self.limit_s, exit=True, file=sys.__stderr__)
        self.started = time.monotonic()

    def stopTest(self, test: unittest.TestCase) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.recorder.write(
            end=test.id(),
            outcome=self.outcome,
            why=self.why[-WHY_MAX:],
            reasons=sorted(self.watch.reasons),
            seconds=round(time.monotonic() - self.started, 3),
        )
        self.inside = False
        super().stopTest(test)

    def _note(self, test: Any, outcome: str, error: Any = None, why: str = "") -> None:
        """Keep the worst outcome of a method; report what fails outside of one."""
        if error is not None:
            why = "".join(traceback.format_exception(*error))
        if not self.inside:  # setUpClass, setUpModule
            reasons = sorted(self.watch.reasons)
            self.watch.reasons.clear()
            self.recorder.write(
                fixture=test.id(), outcome=outcome, why=why[-WHY_MAX:], reasons=reasons
            )
            return
        if self.outcome in ("ok", "skip"):
            self.outcome, self.why = outcome, why

    def addError(self, test: Any, err: Any) -> None:
        self._note(test, "error", err)

    def addFailure(self, test: Any, err: Any) -> None:
        self._note(test, "fail", err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._note(test, "fail", err)

    def addSkip(self, test: Any, reason: str) -> None:
        if self.outcome == "ok":
            self._note(test, "skip", why=reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        self._note(test, "xfail", err)

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._note(test, "xpass")


def methods(suite: Iterable[Any]) -> Iterator[unittest.TestCase]:
    """All methods below a suite."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from methods(each)
        else:
            yield each


class Chosen(unittest.TestSuite):
    """A suite that keeps the order and, for fixtures, knows which processes they start."""

    def __init__(self, tests: Iterable[Any], recorder: Recorder, watch: Watch) -> None:
        super().__init__(tests)
        self.recorder = recorder
        self.watch = watch

    def _handleClassSetUp(self, test: Any, result: Any) -> None:
        before = getattr(result, "_previousTestClass", None)
        self.watch.reasons.clear()
        super()._handleClassSetUp(test, result)  # type: ignore[misc]
        if before is not test.__class__ and self.watch.reasons:
            name = f"{test.__class__.__module__}.{test.__class__.__qualname__}"
            self.recorder.write(fixture=name, outcome="ok", reasons=sorted(self.watch.reasons))

    def _handleModuleFixture(self, test: Any, result: Any) -> None:
        self.watch.reasons.clear()
        super()._handleModuleFixture(test, result)  # type: ignore[misc]
        if self.watch.reasons:
            name = test.__class__.__module__
            self.recorder.write(fixture=name, outcome="ok", reasons=sorted(self.watch.reasons))


def run_module(name: str, plan: dict[str, Any], recorder: Recorder, watch: Watch) -> None:
    """Load a module's tests and run those that the plan wants."""
    only, skip = plan.get("only"), frozenset(plan.get("skip", ()))
    wanted = None if only is None else frozenset(only)
    recorder.write(module=name)
    watch.reasons.clear()
    try:
        faulthandler.dump_traceback_later(plan["limit"] * 2, exit=True, file=sys.__stderr__)
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        faulthandler.cancel_dump_traceback_later()
    except unittest.SkipTest as skipped:
        recorder.write(module=name, outcome="skip", why=str(skipped))
        return
    except BaseException:  # noqa: BLE001  a module may do anything when it is imported
        recorder.write(module=name, outcome="error", why=traceback.format_exc()[-WHY_MAX:])
        return
    chosen = [
        test
        for test in methods(suite)
        if test.id() not in skip and (wanted is None or test.id() in wanted)
    ]
    Chosen(chosen, recorder, watch).run(Result(recorder, watch, plan["limit"]))
    gc.collect()
    recorder.write(module=name, outcome="done")


def in_folder(folder: str, load_package_tests: Any) -> Any:
    """Let packages of another folder find their modules, which CPython's own helper refuses."""

    def load(package: str, loader: Any, standard_tests: Any, pattern: str | None) -> Any:
        if os.path.dirname(package) != folder:
            return load_package_tests(package, loader, standard_tests, pattern)
        top = os.path.dirname(folder)
        standard_tests.addTests(loader.discover(package, pattern or "test*", top))
        return standard_tests

    return load


def main() -> None:
    """Run the plan."""
    plan = json.load(sys.stdin)
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's is ignored
    recorder, watch = Recorder(), Watch()
    import test
    from test import support

    for folder in plan.get("folders", ()):
        test.__path__.append(folder)
        support.load_package_tests = in_folder(folder, support.load_package_tests)
    from test.support import os_helper, script_helper

    # Else every module with a test of the command line starts a process when it is imported.
    setattr(script_helper, "__cached_interp_requires_environment", False)  # noqa: B010
    support.use_resources = plan["resources"]
    support.verbose = 0
    for setter in CLOCK_SETTERS:  # nobody shall set the host's clock
        if hasattr(time, setter):
            delattr(time, setter)
    sys.addaudithook(watch.hook)
    sys.stdout = io.TextIOWrapper(open(2, "wb", closefd=False), write_through=True)  # noqa: SIM115
    folder = tempfile.mkdtemp(prefix="suite")
    os.chdir(folder)
    for name in plan["modules"]:
        run_module(name, plan, recorder, watch)
        os.chdir(folder)
        os_helper.unlink(os_helper.TESTFN)
    recorder.write(finished=True)
    os._exit(0)


if __name__ == "__main__":
    main()
