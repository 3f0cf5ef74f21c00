"""Go and Rust programs, linked in every way, with the same output and status as on the host."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from krait.machine.program_symbols import SymbolTable
from tests.comparison import ENVIRONMENT, Comparison, run_in_guest, run_on_host

PROGRAMS = Path(__file__).parent / "programs"
GO = "/usr/lib/go-1.19/bin/go"
CPUS = ("1", "4")  # of the machine; what a program prints must not depend on it
MEMORY = ("-m", "512M")
RUST_SWITCHES = ("-c", "4", *MEMORY)
CGO = """\
package main

/*
#include <pthread.h>
#include <stdlib.h>
static long doubled(long number) { return 2 * number; }
static void *start(void *argument) { return (void *)doubled((long)argument); }
static long threaded(long number) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, 0, start, (void *)number);
    pthread_join(thread, &result);
    return (long)result;
}
*/
import "C"
import "fmt"

func main() {
	fmt.Println("hello from cgo", C.doubled(21), C.threaded(4))
}
"""
CRASH = """\
package main

type node struct{ next *node }

//go:noinline
func fall(from *node) *node { return from.next.next }

func main() {
	done := make(chan *node)
	for i := 0; i < 4; i++ {
		go func() { <-done }()
	}
	go func() { done <- fall(&node{}) }()
	select {}
}
"""
ZONES = """\
package main

import (
	_ "embed"
	"fmt"
	"time"
)

//go:embed text
var text string

func main() {
	fmt.Print(text)
	zone, err := time.LoadLocation("Europe/Berlin")
	fmt.Println(err, time.Unix(0, 0).In(zone))
}
"""


@pytest.fixture(scope="module")
def go_programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A static program and one that is linked with libc."""
    folder = tmp_path_factory.mktemp("go")
    (folder / "cgo.go").write_text(CGO)
    sources = {"static": PROGRAMS / "goroutines.go", "cgo": folder / "cgo.go"}
    for name, source in sources.items():
        own = os.environ | {"CGO_ENABLED": "1" if name == "cgo" else "0"}
        command = [GO, "build", "-o", str(folder / name), str(source)]
        subprocess.run(command, check=True, env=own, cwd=folder)
    return {name: str(folder / name) for name in sources}


@pytest.mark.parametrize("cpus", CPUS)
def test_goroutines(same_as_host: Comparison, go_programs: dict[str, str], cpus: str) -> None:
    """10,000 goroutines over channels, timers, a tight loop that SIGURG preempts, a nil pointer."""
    same_as_host(go_programs["static"], "argument", switches=("-c", cpus, *MEMORY))


@pytest.mark.parametrize("cpus", CPUS)
def test_cgo(same_as_host: Comparison, go_programs: dict[str, str], cpus: str) -> None:
    """Go with libc: threads of both."""
    same_as_host(go_programs["cgo"], switches=("-c", cpus, *MEMORY))


@pytest.mark.parametrize("flags", ["", "-s -w"], ids=["static", "stripped"])
def test_report_of_a_crash(tmp_path: Path, flags: str) -> None:
    """A goroutine's fault that ends the program as GOTRACEBACK=crash says: Go's report and ours.

    A stripped program has Go's own table of functions, which names them as well.
    """
    (tmp_path / "crash.go").write_text(CRASH)
    program = str(tmp_path / "crash")
    command = [GO, "build", f"-ldflags={flags}", "-o", program, "crash.go"]
    subprocess.run(command, check=True, env=os.environ | {"CGO_ENABLED": "0"}, cwd=tmp_path)
    variables = ENVIRONMENT | {"GOTRACEBACK": "crash"}
    there = run_in_guest([program], b"", variables, ("-c", "2", "-m", "128M"))
    assert there.status == 128 + signal.SIGABRT
    told, _, report = there.errors.decode().partition("program killed by SIGABRT in thread ")
    assert "panic: runtime error: invalid memory address or nil pointer dereference" in told
    assert "main.fall(" in told
    assert report.count("it was sent by process 1\n") == 1
    place = re.search(r"^  rip (\w+) ", report, re.M)
    calls = re.findall(r"^  (at|from) 0x(\w+) in (\S+)\+0x\w+  (\S+)$", report, re.M)
    assert place is not None, report
    assert calls[0][:3] == ("at", place[1], program), report
    assert calls[0][3].removesuffix(".abi0") == "runtime.raise"
    assert len(calls) > 1
    assert {(how, file) for how, _, file, _ in calls[1:]} == {("from", program)}
    assert re.search(rf"^  \w+-\w+ r-x {program}$", report, re.M)
    assert "[stack]\n" in report


def test_go_reads_time_zones(same_as_host: Comparison, tmp_path: Path) -> None:
    """The image has what `time.LoadLocation` reads, and a file that is embedded needs none."""
    (tmp_path / "text").write_text("embedded\n")
    (tmp_path / "go.mod").write_text("module zones\n")
    (tmp_path / "main.go").write_text(ZONES)
    own = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod"}
    command = [GO, "build", "-ldflags=-s -w", "-o", "zones", "."]
    subprocess.run(command, check=True, env=own, cwd=tmp_path)
    same_as_host(str(tmp_path / "zones"))
    symbols = SymbolTable((tmp_path / "zones").read_bytes())  # stripped: Go's own table tells
    report = subprocess.run(
        [GO, "tool", "addr2line", str(tmp_path / "zones")],
        input=f"{_entry(tmp_path / 'zones'):#x}\n", capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert symbols.name_at_address(_entry(tmp_path / "zones")) == report.stdout.splitlines()[0]


def _entry(program: Path) -> int:
    """Where a program starts (elf(5), e_entry)."""
    return int.from_bytes(program.read_bytes()[24:32], "little")


@pytest.fixture(scope="module")
def rust_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("rust") / "threads"
    source = str(PROGRAMS / "threads.rs")
    subprocess.run(["rustc", "-g", "-o", str(target), source], check=True)
    return str(target)


def test_rust_threads(same_as_host: Comparison, rust_program: str) -> None:
    """Channels, locks, condition variables, scoped threads; a thread that panics."""
    same_as_host(rust_program, "one", switches=RUST_SWITCHES, ignore_errors=True)


def test_rust_panics_with_a_backtrace(rust_program: str) -> None:
    """The message and every frame with file and line, but for thread numbers; status 101."""
    variables = ENVIRONMENT | {"RUST_BACKTRACE": "1"}
    here = run_on_host([rust_program, "panic"], b"", variables)
    there = run_in_guest([rust_program, "panic"], b"", variables, RUST_SWITCHES)
    assert (there.status, there.output) == (here.status, here.output)
    assert here.status == 101
    sides = [re.sub(rb"\(\d+\) panicked", b"panicked", side.errors) for side in (here, there)]
    assert sides[0] == sides[1]
    assert b"threads::inner" in there.errors
