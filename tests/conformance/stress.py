"""stress-ng, each stressor for a second, on the host and then in the machine.

stress-ng forks every stressor and a machine has one process, so `own_child.c` makes the process its
own child. Many stressors fork again: for a child that the kernel may kill when memory is short,
which takes the second fork as the first, or for several that talk to each other, which cannot run.
The host runs with the same library; only what succeeds there without a complaint counts.

    python -m tests.conformance.stress [STRESSOR ...] [-- SWITCHES of krait run]
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.conformance.cpython import Record, Run
from tests.conformance.machine import run_machine
from tests.conformance.run import report_surprises

PROGRAM: Final = "/usr/bin/stress-ng"
SOURCE: Final = Path(__file__).with_name("own_child.c")
CLASSES: Final = ("cpu", "memory", "vm", "scheduler", "pipe", "filesystem")
SIZES: Final = {
    "hdd fallocate iomix sync-file memfd": "16M",
    "vm mmap mremap msync vm-rw vm-splice malloc memrate": "64M",
    "shm shm-sysv": "4M",
}
"""Without these some stressors take a part of all memory, or write a gigabyte."""

COMMAND: Final = " ".join(
    [PROGRAM, "--verify", "-t", "1", "--temp-path", "/tmp/krait-own-child"]
    + [f"--{name}-bytes {size}" for names, size in SIZES.items() for name in names.split()]
)
BATCH: Final = 6
BATCH_LIMIT_S: Final = 1500
HOST_STRESSOR_S: Final = 15
GUEST_STRESSOR_S: Final = 120
"""A round of some stressors takes an emulated CPU of a busy host most of a minute."""
HOST_LIMIT_S: Final = 60
MEMORY: Final = "1G"
LOST_KIB: Final = 1024
"""Caches of names share pages with others; what an operation loses comes to more in a second."""
COMPLAINT: Final = re.compile(r"^stress-ng: (fail|error|warn): +\[\d+\] *", re.MULTILINE)
REFUSED_CALL: Final = re.compile(r"^system call \w+ \(\d+\) is not implemented$")
"""The kernel says so once; a stressor that needs the call complains itself."""
INFORMATION: Final = re.compile("stress-ng: info|stress-ng, version|info: ")
OTHER_CPU: Final = re.compile("will be skipped, not a recognised Intel CPU")
"""The machine's processor is QEMU's, which calls itself one of AMD."""


class Stressor(NamedTuple):
    """A stressor, and how many forks return in the child."""

    name: str
    forks: int


class Ended(NamedTuple):
    """What one stressor left behind: its lines, its status, available memory before it in KiB."""

    lines: tuple[str, ...]
    status: int | None
    free_kib: int


def stressors() -> list[str]:
    """The names in the classes, each once."""
    names: dict[str, None] = {}
    for each in CLASSES:
        done = subprocess.run(
            [PROGRAM, "--class", f"{each}?"], capture_output=True, text=True, check=True
        )
        names |= dict.fromkeys(done.stdout.partition(":")[2].split())
    return list(names)


def build_library(folder: Path) -> Path:
    """Compile the library that makes the process its own child."""
    target = folder / "own_child.so"
    command = ["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(target), str(SOURCE)]
    subprocess.run(command, check=True)
    folder.chmod(0o755)
    return target


def variables(library: Path, queue: Sequence[Stressor], limit_s: int) -> dict[str, str]:
    """The library's words; the program's first run only prints its version."""
    return {
        "LD_PRELOAD": str(library), "OWN_CHILD_COMMAND": COMMAND, "OWN_CHILD_NAME": "-",
        "OWN_CHILD_FORKS": "0", "OWN_CHILD_LIMIT_S": str(limit_s),
        "OWN_CHILD_QUEUE": " ".join(f"{each.forks}:{each.name}" for each in queue),
    }  # fmt: skip


def on_host(library: Path, queue: Sequence[Stressor]) -> Run:
    """Run here, in a session of its own."""
    process = subprocess.Popen(
        [PROGRAM, "--version"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd="/tmp", start_new_session=True,
        env={"PATH": os.environ["PATH"]} | variables(library, queue, HOST_STRESSOR_S),
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=HOST_LIMIT_S * len(queue))
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    return Run(output, errors, process.returncode)


def in_guest(library: Path, queue: Sequence[Stressor], switches: Sequence[str] = ()) -> Run:
    """Run in a machine."""
    words = ["-m", MEMORY, "-v", f"{library.parent}:{library.parent}", *switches]
    for name, value in variables(library, queue, GUEST_STRESSOR_S).items():
        words += ["-e", f"{name}={value}"]
    return Run(*run_machine([PROGRAM, "--version"], b"", words, BATCH_LIMIT_S))


def ended(errors: bytes) -> Iterator[tuple[str, Ended]]:
    """The stressors that a run's standard error tells of, in their order."""
    name, free, lines = "", 0, list[str]()
    for line in errors.decode("utf-8", "replace").splitlines():
        word = line.split()
        if line.startswith("@@ start") and len(word) == 4:
            name, free, lines = word[2], int(word[3]), []
        elif line.startswith("@@ end") and len(word) == 4:
            yield name, Ended(tuple(lines), int(word[3]), free)
            name, lines = "", []
        elif OTHER_CPU.search(line) or not (REFUSED_CALL.match(line) or INFORMATION.match(line)):
            lines.append(line)
    if name:
        yield name, Ended(tuple(lines), None, free)


def judge(each: Ended) -> Record:
    """Whether a stressor did its work and nobody complained."""
    text = "\n".join(each.lines)
    if each.status is None:
        return Record("died", text)
    if OTHER_CPU.search(text):
        return Record("skip", text)
    if each.status or COMPLAINT.search(text):
        return Record("fail", f"status {each.status}\n{text}")
    return Record("ok")


def host_results(library: Path, names: Sequence[str], cache: Path) -> dict[Stressor, Record]:
    """How the stressors end here, with the fewest forks that let them; kept in a file."""
    known: dict[str, list[str | int]] = json.loads(cache.read_text()) if cache.exists() else {}
    for name in names:
        if name in known:
            continue
        for forks in (1, 2):
            results = dict(ended(on_host(library, [Stressor(name, forks)]).errors))
            record = judge(results[name]) if name in results else Record("died", "did not start")
            if record.outcome != "fail" and record.outcome != "died":
                break
        known[name] = [forks, record.outcome, record.why]
        print(f"host {name}: {record.outcome}", file=sys.stderr, flush=True)
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known))
    return {
        Stressor(name, int(known[name][0])): Record(str(known[name][1]), str(known[name][2]))
        for name in names
    }


def guest_results(
    library: Path, queue: Sequence[Stressor], switches: Sequence[str] = ()
) -> dict[str, Record]:
    """Run each stressor twice, many in a machine, going on behind those that end the run.

    What the second run leaves less free than it found, it has lost: the first fills the caches.
    """
    results: dict[str, Record] = {}
    pending = list(queue)
    while pending:
        batch = pending[:BATCH]
        twice = [stressor for stressor in batch for _ in range(2)]
        run = in_guest(library, [*twice, Stressor("version", 0)], switches)
        runs = [pair for pair in ended(run.errors) if pair[0] != "-"]
        for place, (name, each) in enumerate(runs):
            record = _strict(each)
            if place % 2 == 1 and place + 1 < len(runs) and record.outcome == "ok":
                lost_kib = each.free_kib - runs[place + 1][1].free_kib
                if lost_kib > LOST_KIB // 4:
                    print(f"guest {name}: {lost_kib} KiB less", file=sys.stderr, flush=True)
                if lost_kib > LOST_KIB:
                    record = Record("fail", f"{lost_kib} KiB of memory lost")
            if name != "version" and (name not in results or results[name].outcome == "ok"):
                results[name] = record
        if not runs:
            text = run.errors.decode("utf-8", "replace")
            results[batch[0].name] = Record("died", f"status {run.status}\n{text}")
        pending = [each for each in pending if each.name not in results]
        bad = [name for name, record in results.items() if record.outcome not in ("ok", "skip")]
        print(f"guest: {len(results)} done, not ok: {bad}", file=sys.stderr, flush=True)
    return {name: record for name, record in results.items() if record.outcome != "skip"}


def _strict(each: Ended) -> Record:
    """Judge a run in a machine, where any line that is not stress-ng's counts: the kernel's."""
    record = judge(each)
    if record.outcome == "ok" and each.lines:
        return Record("fail", "\n".join(["unexpected lines", *each.lines]))
    return record


def main(words: Sequence[str]) -> int:
    """Run what the command line names and print the comparison."""
    names, switches = list(words), []
    if "--" in names:
        switches = names[names.index("--") + 1 :]
        names = names[: names.index("--")]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    with tempfile.TemporaryDirectory(prefix="krait-stress-") as folder:
        library = build_library(Path(folder))
        host = host_results(
            library, names or stressors(), cache / "krait" / "conformance" / "stress.json"
        )
        queue = [each for each, record in host.items() if record.outcome == "ok"]
        results = guest_results(library, queue, switches)
    passed_count = sum(record.outcome == "ok" for record in results.values())
    print(f"{passed_count} of {len(results)} stressors pass; {len(host) - len(queue)} do not here")
    return report_surprises("stress", results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
