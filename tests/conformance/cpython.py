"""CPython's own test suite, on the host and then in the machine, compared method by method.

The host runs first, under audit hooks: a method that fails or is skipped there does not count, and
one that starts a process or opens an internet socket is left out with that reason. What remains is
run in machines, a batch of modules in each, those about threads on two CPUs. A method that ends the
whole run, by a time limit or a crash, is recorded and the batch goes on behind it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.conformance.machine import run_machine
from tests.conformance.sqlite_tests import FOLDER as SQLITE_TESTS

INTERPRETER: Final = "/usr/bin/python3"
LIBRARY: Final = Path("/usr/lib/python3.11")
SCRIPT: Final = Path(__file__).with_name("cpython_methods.py")
FOLDERS: Final = tuple(
    str(LIBRARY / name)
    for name in (
        "test", "ctypes/test", "unittest/test", "distutils/tests", "lib2to3/tests", "__phello__"
    )
) + ("/usr/share/zoneinfo",)  # fmt: skip  # the finder cannot see that tests want it
FILES: Final = {
    "/usr/bin/dash": "/usr/bin/sh",  # some look for a shell that they do not start
    str(Path(__file__).with_name("shadow")): "/etc/shadow",  # the host's is in no image
    "/usr/include/python3.11/pyconfig.h": "/usr/include/python3.11/pyconfig.h",  # of python3-dev
    "/usr/lib/python3.11/config-3.11-x86_64-linux-gnu/Makefile": (
        "/usr/lib/python3.11/config-3.11-x86_64-linux-gnu/Makefile"
    ),
}
"""Other files that tests want: the host's path and the guest's."""
RESOURCES: Final = ["decimal", "subprocess", "tzdata", "walltime"]
HOST_LIMIT_S: Final = 60
GUEST_LIMIT_S: Final = 240
LONG_S: Final = 20.0
BATCH_S: Final = 12.0
BATCH_LIMIT_S: Final = 1800
MEMORY: Final = "768M"
DEATHS_MAX: Final = 12

NAMED: Final = tuple(
    f"test.test_{name}"
    for name in (
        "thread threading threading_local threadedtempfile threadsignals queue signal mmap select "
        "selectors poll epoll asyncio posix fcntl io bufio memoryio fileio file file_eintr os time "
        "ctypes decimal json re tempfile pathlib zipfile hashlib struct concurrent_futures "
        "sched resource stat glob shutil fileutils largefile eintr faulthandler dbm openpty "
        "pty ioctl locale tracemalloc gc weakref sys mailbox tarfile gzip bz2 lzma zlib zoneinfo "
        "contextlib_async asyncgen coroutines context logging socketserver"
    ).split()
)
"""What the kernel has the greatest part in, first."""

CONCURRENT: Final = frozenset(
    f"test.test_{name}"
    for name in (
        "thread threading threading_local threadedtempfile threadsignals queue signal mmap select "
        "selectors poll epoll asyncio concurrent_futures sched sqlite3 faulthandler context logging"
    ).split()
)
"""What runs on two CPUs."""

LEFT_OUT: Final = {
    "internet": (
        "asynchat asyncore docxmlrpc ftplib httplib httpservers imaplib nntplib poplib smtpd "
        "smtplib smtpnet socket ssl telnetlib timeout urllib2_localnet urllib2net urllibnet xmlrpc "
        "xmlrpc_net urllib2 wsgiref"
    ),
    "processes": (
        "multiprocessing_fork multiprocessing_forkserver multiprocessing_main_handling "
        "multiprocessing_spawn fork1 wait3 wait4 subprocess popen cmd_line cmd_line_script "
        "script_helper venv ensurepip embed c_locale_coercion utf8_mode regrtest distutils "
        "compileall cppext gdb repl"
    ),
    "a display, or another system": (
        "idle tcl tix tk ttk_guionly ttk_textonly turtle curses devpoll kqueue msilib launcher "
        "startfile winconsoleio winreg winsound ossaudiodev osx_env _osx_support nis dtrace "
        "webbrowser"
    ),
    "files of CPython's source tree": (
        "asdl_parser check_c_globals clinic peg_generator tools freeze sundry xxtestfuzz xxlimited"
    ),
    "more memory or time": "bigaddrspace bigmem crashers zipfile64 lib2to3 unicodedata",
}


class Record(NamedTuple):
    """How a method ended on one side."""

    outcome: str
    why: str = ""
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0


class Run(NamedTuple):
    """What one process or one machine said."""

    output: bytes
    errors: bytes
    status: int


def modules_of_suite() -> list[str]:
    """All modules, the named ones first, without those left out."""
    left_out = {f"test.test_{name}" for names in LEFT_OUT.values() for name in names.split()}
    folder = LIBRARY / "test"
    found = [f"test.{path.stem}" for path in folder.glob("test_*.py")]
    found += [f"test.{path.parent.name}" for path in folder.glob("test_*/__init__.py")]
    if SQLITE_TESTS.is_dir():
        found.append("test.test_sqlite3")
    present = set(found) - left_out
    first = [name for name in NAMED if name in present]
    return first + sorted(present - set(first))


def plan_for(modules: Sequence[str], **more: Any) -> bytes:
    """The words of `cpython_methods.py`."""
    words = {"modules": modules, "resources": RESOURCES, "folders": [str(SQLITE_TESTS.parent)]}
    return json.dumps(words | more).encode()


def on_host(plan: bytes, modules: Sequence[str]) -> Run:
    """Run here, in a session of its own so that no signal goes astray."""
    process = subprocess.Popen(
        [INTERPRETER, str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd="/tmp", start_new_session=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root",
             "LANG": "C.UTF-8", "TZ": "UTC"},
    )  # fmt: skip
    try:
        output, errors = process.communicate(plan, timeout=BATCH_LIMIT_S * len(modules))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    return Run(output, errors, process.returncode)


def in_guest(plan: bytes, switches: Sequence[str] = ()) -> Run:
    """Run in a machine that has the suite in its image."""
    words = ["-m", MEMORY, *switches]
    for folder in (*FOLDERS, str(SQLITE_TESTS)):
        if os.path.isdir(folder):
            words += ["-v", f"{folder}:{folder}"]
    for host, guest in FILES.items():
        if os.path.exists(host):
            words += ["-v", f"{host}:{guest}"]
    return Run(*run_machine([INTERPRETER, str(SCRIPT)], plan, words, BATCH_LIMIT_S))


def records_in(output: bytes) -> Iterator[dict[str, Any]]:
    """The records among what the tests printed."""
    for line in output.splitlines():
        if line.startswith(b"@@{"):
            try:
                yield json.loads(line[2:])
            except ValueError:
                continue


WORST = ("ok", "xfail", "skip", "xpass", "fail", "error", "died")


def run_batch(
    modules: Sequence[str], only: Iterable[str] | None, limit_s: float, runner: Any
) -> dict[str, Record]:
    """Run modules until all methods have ended, going on behind those that end the run."""
    results: dict[str, Record] = {}
    fixtures: dict[str, tuple[str, ...]] = {}
    skip: set[str] = set()
    pending = list(modules)
    for _ in range(DEATHS_MAX):
        more: dict[str, Any] = {"limit": limit_s, "skip": sorted(skip)}
        if only is not None:
            more["only"] = sorted(only)
        run = runner(plan_for(pending, **more))
        running, module, finished = None, None, False
        for record in records_in(run.output):
            finished = finished or "finished" in record
            if "start" in record:
                running = record["start"]
            elif "end" in record:
                running = None
                _merge(results, record["end"], record)
                skip.add(record["end"])
            elif "fixture" in record:
                fixtures[record["fixture"]] = tuple(record["reasons"])
                if record["outcome"] in ("error", "fail"):
                    _merge(results, record["fixture"], record)
            elif "module" in record and "outcome" not in record:
                module = record["module"]
            elif record.get("outcome") in ("error", "skip"):
                _merge(results, module or "?", record)
        if finished:
            break
        tail = (run.errors or b"")[-3000:].decode("utf-8", "replace")
        culprit = running or f"{module or pending[0]}"
        results[culprit] = Record("died", f"status {run.status}\n{tail}", ("died",))
        skip.add(culprit)
        if module in pending:
            pending = pending[pending.index(module) :]
            if running is None:
                pending = pending[1:]
        if not pending:
            break
    return {name: _with_fixture(name, record, fixtures) for name, record in results.items()}


def _merge(results: dict[str, Record], name: str, record: dict[str, Any]) -> None:
    """Keep the worst of several methods with one name."""
    new = Record(
        record["outcome"], record.get("why", ""), tuple(record.get("reasons", ())),
        record.get("seconds", 0.0),
    )  # fmt: skip
    old = results.get(name)
    if old is None or WORST.index(new.outcome) > WORST.index(old.outcome):
        results[name] = new


def _with_fixture(name: str, record: Record, fixtures: dict[str, tuple[str, ...]]) -> Record:
    """Add what the class's or the module's fixture did."""
    more = {
        reason
        for fixture, reasons in fixtures.items()
        if name.startswith(fixture + ".")
        for reason in reasons
    }
    return record._replace(reasons=tuple(sorted(set(record.reasons) | more))) if more else record


Records = dict[str, Record]


def host_results(modules: Iterable[str], cache: Path) -> Iterator[tuple[str, Records]]:
    """Yield how each module's methods end here; kept in a file, because it takes a while."""
    known = read_records(cache)
    for module in modules:
        if module not in known:
            runner = lambda plan, m=module: on_host(plan, [m])  # noqa: E731
            known[module] = run_batch([module], None, HOST_LIMIT_S, runner)
            print(f"host {module}: {len(known[module])}", file=sys.stderr, flush=True)
            write_records(cache, {module: known[module]})
        yield module, known[module]


def read_records(path: Path) -> dict[str, Records]:
    """Read what an earlier run left: by module and method."""
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return {
        module: {
            name: Record(each[0], each[1], tuple(each[2]), each[3])
            for name, each in methods.items()
        }
        for module, methods in known.items()
    }


def write_records(path: Path, more: dict[str, Records]) -> None:
    """Add modules to what the file has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(read_records(path) | more))
    path.with_suffix(".new").replace(path)


def reason_left_out(record: Record) -> str | None:
    """Why a method of the host's run is not asked of the machine; None: it is."""
    if "process" in record.reasons:
        return "starts a process"
    if "internet" in record.reasons:
        return "opens an internet socket"
    if record.outcome != "ok":
        return f"does not pass on the host ({record.outcome})"
    if record.seconds > LONG_S:
        return "takes long"
    return None


Batch = list[tuple[str, Records]]


def batches(host: Iterable[tuple[str, Records]]) -> Iterator[Batch]:
    """Modules for one machine: with as many CPUs, some seconds of the host's time together."""
    batch: Batch = []
    total = 0.0
    for module, methods in host:
        seconds = sum(each.seconds for each in methods.values() if reason_left_out(each) is None)
        if batch and (total + seconds > BATCH_S or cpus_for(module) != cpus_for(batch[0][0])):
            yield batch
            batch, total = [], 0.0
        batch.append((module, methods))
        total += seconds
    if batch:
        yield batch


def cpus_for(module: str) -> str:
    """How many CPUs a module's machine has."""
    return "2" if ".".join(module.split(".")[:2]) in CONCURRENT else "1"


def guest_results(batch: Batch, switches: Sequence[str] = ()) -> dict[str, Records]:
    """By module, how the selected methods of a batch end in one machine."""
    wanted = {
        module: [name for name, record in methods.items() if reason_left_out(record) is None]
        for module, methods in batch
    }
    modules = [module for module, names in wanted.items() if names]
    only = [name for names in wanted.values() for name in names]
    if not modules:
        return {}
    words = ["-c", cpus_for(modules[0]), *switches]
    started = time.monotonic()
    found = run_batch(modules, only, GUEST_LIMIT_S, lambda plan: in_guest(plan, words))
    results = {
        module: {name: found.get(name) or _of_fixture(name, found) for name in wanted[module]}
        for module in modules
    }
    bad = sum(each.outcome != "ok" for methods in results.values() for each in methods.values())
    print(f"guest {' '.join(modules)}: {len(only)} run, {bad} not ok, "
          f"{time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)  # fmt: skip
    return results


def _of_fixture(name: str, found: dict[str, Record]) -> Record:
    """A method that never started: because of its class's or its module's fixture."""
    for fixture, record in found.items():
        if name.startswith(fixture + ".") and record.outcome != "ok":
            return record
    return Record("died", "did not run")
