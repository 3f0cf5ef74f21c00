"""Looking into a machine that runs, by the commands that people use."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from krait.kernel.protocol import look
from krait.kernel.protocol.control import MessageType
from krait.kernel.protocol.look import Question, Record
from krait.machine import looking, registry
from tests.conftest import MAIN, Run

PROGRAM = str(Path(__file__).parent / "programs" / "looked_into.py")
NAME = f"looked-into-{os.getpid()}"
"""Another for each worker that runs a part of these tests."""


@pytest.fixture(scope="module")
def machine() -> Iterator[str]:
    """A machine with the program in it."""
    command = [sys.executable, "-I", str(MAIN), "run", "--name", NAME, "-c", "2"]
    with subprocess.Popen(
        [*command, "--timeout", "100", "--", "/usr/bin/python3", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"ready\n"
        yield NAME
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture
def ask(machine: str, run_krait: Run) -> Any:
    """Run a command on the machine and give its JSON."""

    def run(command: str, *arguments: str) -> Any:
        done = run_krait(command, machine, *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_ps(ask: Any, run_krait: Run) -> None:
    listed = json.loads(run_krait("ps", "--json").stdout)
    assert NAME in [each["name"] for each in listed]
    (process,) = ask("ps")
    assert process["pid"] == 1
    assert process["threads"] == 3
    assert process["command"][-1] == PROGRAM
    assert process["resident"] > 1 << 20


def test_threads(ask: Any) -> None:
    found = ask("threads")
    assert [each["tid"] for each in found] == [1, 2, 3]
    assert found[1]["state"] == "sleeping"
    assert found[1]["call"] == "clock_nanosleep"
    assert found[2]["call"] is None
    assert found[2]["cpu_seconds"] > 0
    assert {each["cpu"] for each in found} <= {0, 1}


def test_top(ask: Any) -> None:
    view = ask("top", "--interval", "0.5")
    assert view["threads"][0]["tid"] == 3
    assert view["threads"][0]["share"] > 50
    assert max(each["busy"] for each in view["cpus"]) > 50


def test_lsof(ask: Any) -> None:
    files = {each["path"]: each for each in ask("lsof")}
    passwd = files["/etc/passwd"]
    assert (passwd["kind"], passwd["access"], passwd["flags"]) == ("file", "r", ["O_CLOEXEC"])
    assert {each["fd"] for each in files.values()} >= {0, 1, 2, 3}


def test_maps(ask: Any) -> None:
    names = [each["name"] for each in ask("maps")]
    assert "[stack]" in names
    assert any("libc.so" in name for name in names)


def test_stack(ask: Any) -> None:
    (sleeper,) = ask("stack", "2")
    inside = [each["place"] for each in sleeper["frames"] if each["side"] == "kernel"]
    assert any("linux_time_calls: clock_nanosleep" in place or "sleep" in place for place in inside)
    program = [each["place"] for each in sleeper["frames"] if each["side"] == "program"]
    assert program[0] == "clock_nanosleep (libc.so.6)"
    assert [each["tid"] for each in ask("stack")] == [1, 2, 3]


def test_host_that_stands_still(build_program: Callable[..., str]) -> None:
    """Answers wait for a `krait run` that was stopped, and have every thread that lives."""
    name = f"{NAME}-slow"
    program = build_program("guest/programs/ending_threads.c", "-static", "-pthread")
    command = [sys.executable, "-I", str(MAIN), "run", "--name", name, "--timeout", "60", program]
    requests = b"".join(
        struct.pack("<HHIHHIQ", MessageType.LOOK, 0, 16, look.VERSION, Question.SNAPSHOT, number, 0)
        for number in range(8)
    )
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        contextlib.ExitStack() as stack,
    ):
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        connection = stack.enter_context(registry.find(name).connect(20))
        connection.sendall(requests)
        time.sleep(0.015)
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        messages = looking._messages(connection, time.monotonic() + 20)
        for number in range(8):
            answer = looking.Answer()
            while not answer.take(next(messages), number):
                pass
            found = [each.tid for each in answer.of(Record.THREAD)]
            assert [tid for tid in found if tid % 8 == 1] == list(range(1, 4000, 8))
        assert process.communicate(b"x", timeout=20) == (b"", None)
        assert process.returncode == 0


def test_refusals(machine: str, run_krait: Run) -> None:
    for arguments, words in (
        (("stack", machine, "99"), "no process or thread"),
        (("ps", "nobody"), "no machine named nobody"),
        (("run", "--name", machine, "--", "true"), "running already"),
        (("run", "--name", "a b", "--", "true"), "is no name"),
    ):
        done = run_krait(*arguments)
        assert done.returncode == 125
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_table_is_for_people(machine: str, run_krait: Run) -> None:
    done = run_krait("threads", machine)
    assert done.stdout.splitlines()[0].split() == [
        "TID", "STATE", "IN", "CPU", "TIME", "SWITCHES", "NAME",
    ]  # fmt: skip
