"""Go's own tests of its standard library, on the host and then in the machine, test by test.

Debian's `golang-1.19-src` has the tests; `go test -c` makes one static program of each package. The
host runs every test by itself under strace, which tells those that start a process or open an
internet socket: they are left out, as is what does not pass there. All tests run with -test.short.

    python -m tests.conformance.golang [PACKAGE ...] [-- SWITCHES of krait run, else -c 4]
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.conformance.cpython import Record, Run, reason_left_out
from tests.conformance.machine import run_machine
from tests.conformance.run import report_surprises

GO: Final = "/usr/lib/go-1.19/bin/go"
GO_ROOT: Final = Path("/usr/lib/go-1.19")
SOURCES: Final = Path("/usr/share/go-1.19/src")
PACKAGES: Final = ("bufio", "io", "sync", "time", "os/signal", "os", "runtime")
PACKAGE_FOLDERS: Final = ("pkg/linux_amd64/internal", "pkg/linux_amd64/runtime")
ZONES: Final = Path("/usr/share/zoneinfo")
HOST_LIMIT_S: Final = 30
GUEST_LIMIT_S: Final = 900
MEMORY: Final = "4G"
"""One test maps 3 GiB; memory that nobody touches costs the host nothing."""
DEATHS_MAX: Final = 12
PASSED: Final = {"PASS": "ok", "FAIL": "fail", "SKIP": "skip"}
RESULT: Final = re.compile(r"^ *--- (PASS|FAIL|SKIP): (\S+) \((\S+)s\)$", re.MULTILINE)
STARTED: Final = re.compile(r"^=== RUN +(\S+)$", re.MULTILINE)
CALLS: Final = "clone,clone3,fork,vfork,socket"


def build(package: str, folder: Path) -> Path:
    """Compile a package's tests."""
    target = folder / f"{package.replace('/', '_')}.test"
    subprocess.run(
        [GO, "test", "-c", "-tags", "timetzdata", "-o", str(target), package], check=True,
        env=os.environ | {"CGO_ENABLED": "0"}, cwd="/",
    )  # fmt: skip
    return target


def tests_of(program: Path, package: str) -> list[str]:
    """The names of a package's tests; benchmarks and examples are none."""
    done = subprocess.run(
        [str(program), "-test.list", "^Test"], cwd=SOURCES / package, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return [line for line in done.stdout.splitlines() if line.startswith("Test")]


def words_for(names: Sequence[str], limit_s: float) -> list[str]:
    """The switches of a test program that runs just these."""
    return [
        "-test.v", "-test.short", f"-test.timeout={int(limit_s)}s",
        f"-test.run=^({'|'.join(names)})$",
    ]  # fmt: skip


def on_host(program: Path, package: str, name: str) -> tuple[Run, str]:
    """Run one test here under strace; also what strace wrote."""
    with tempfile.NamedTemporaryFile(prefix="krait-go-") as trace:
        command = ["strace", "-f", "--seccomp-bpf", "-e", f"trace={CALLS}", "-e", "signal=none",
                   "-o", trace.name, str(program), *words_for([name], HOST_LIMIT_S)]  # fmt: skip
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=SOURCES / package, start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TZ": "UTC"},
        )  # fmt: skip
        try:
            output, errors = process.communicate(timeout=HOST_LIMIT_S + 10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, errors = process.communicate()
        return Run(output, errors, process.returncode), trace.read().decode("utf-8", "replace")


def reasons_in(trace: str) -> tuple[str, ...]:
    """What a machine has none of: a second process, the internet."""
    reasons = set()
    for line in trace.splitlines():
        if re.search(r" v?fork\(| clone3?\(", line) and "CLONE_THREAD" not in line:
            reasons.add("process")
        if "socket(AF_INET" in line:
            reasons.add("internet")
    return tuple(sorted(reasons))


def records_in(run: Run) -> dict[str, Record]:
    """How the tests ended that did; the output goes to those that failed."""
    text = (run.output + run.errors).decode("utf-8", "replace")
    return {
        name: Record(PASSED[word], "" if word == "PASS" else text[-4000:], (), float(seconds))
        for word, name, seconds in RESULT.findall(text)
        if "/" not in name
    }


def host_results(program: Path, package: str, cache: Path) -> dict[str, Record]:
    """How a package's tests end here; kept in a file."""
    known: dict[str, list[list[Any]]] = json.loads(cache.read_text()) if cache.exists() else {}
    if package not in known:
        records = {}
        for name in tests_of(program, package):
            run, trace = on_host(program, package, name)
            found = records_in(run).get(name, Record("died", run.errors[-500:].decode()))
            records[name] = found._replace(reasons=reasons_in(trace), why=found.why[-500:])
        known[package] = [[name, *record] for name, record in records.items()]
        print(f"host {package}: {len(records)}", file=sys.stderr, flush=True)
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps(known))
    return {
        name: Record(outcome, why, tuple(reasons), seconds)
        for name, outcome, why, reasons, seconds in known[package]
    }


def in_guest(program: Path, package: str, names: Sequence[str], switches: Sequence[str]) -> Run:
    """Run tests in one machine, with the package's sources around them."""
    folder = SOURCES / package
    words = ["-m", MEMORY, "--workdir", str(folder), *switches]
    volumes = [(folder, folder), (ZONES, ZONES)]
    if package == "runtime":  # one of its tests checks the types of its own sources
        volumes += [(GO_ROOT / name, GO_ROOT / name) for name in PACKAGE_FOLDERS]
    for host, guest in volumes:
        words += ["-v", f"{host}:{guest}"]
    command = [str(program), *words_for(names, GUEST_LIMIT_S)]
    return Run(*run_machine(command, b"", words, GUEST_LIMIT_S + 20))


def guest_results(
    program: Path, package: str, names: Sequence[str], switches: Sequence[str] = ()
) -> dict[str, Record]:
    """Run tests until all have ended, going on behind those that end the run."""
    results: dict[str, Record] = {}
    pending = list(names)
    for _ in range(DEATHS_MAX):
        if not pending:
            break
        run = in_guest(program, package, pending, switches)
        found = {name: each for name, each in records_in(run).items() if name in pending}
        results |= found
        text = run.output.decode("utf-8", "replace")
        running = [name for name in STARTED.findall(text) if name in pending and name not in found]
        if not running and len(found) < len(pending):
            running = [name for name in pending if name not in found][:1]
        said = run.output[-1000:] + run.errors[:3000] + run.errors[-2000:]
        tail = said.decode("utf-8", "replace")
        results |= {name: Record("died", f"status {run.status}\n{tail}") for name in running}
        pending = [name for name in pending if name not in results]
    results |= {name: Record("died", "did not run") for name in pending}
    bad = sum(record.outcome != "ok" for record in results.values())
    print(f"guest {package}: {len(results)} run, {bad} not ok", file=sys.stderr, flush=True)
    return results


def run(
    packages: Sequence[str], switches: Sequence[str], folder: Path
) -> tuple[dict[str, Record], Mapping[str, int]]:
    """Run packages; give the results in the machine, and why tests were left out."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    results: dict[str, Record] = {}
    left_out: Counter[str] = Counter()
    for package in packages:
        program = build(package, folder)
        host = host_results(program, package, cache / "krait" / "conformance" / "golang.json")
        reasons = {name: reason_left_out(record) for name, record in host.items()}
        left_out.update(reason for reason in reasons.values() if reason is not None)
        names = [name for name, reason in reasons.items() if reason is None]
        found = guest_results(program, package, names, switches)
        results |= {f"{package}.{name}": record for name, record in found.items()}
    return results, left_out


def main(words: Sequence[str]) -> int:
    """Run what the command line names and print the comparison."""
    names, switches = list(words), ["-c", "4"]  # some tests skip themselves on one CPU
    if "--" in names:
        switches = names[names.index("--") + 1 :]
        names = names[: names.index("--")]
    with tempfile.TemporaryDirectory(prefix="krait-go-") as folder:
        results, left_out = run(names or PACKAGES, switches, Path(folder))
    good = sum(record.outcome == "ok" for record in results.values())
    print(f"{good} of {len(results)} tests pass; left out: {dict(left_out)}")
    return report_surprises("golang", results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
