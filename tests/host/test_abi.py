"""`krait abi`: traces are read as strace writes them, and judged by the registrations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.abi.declared import declared_calls
from krait.abi.flag_names import FLAGS
from krait.abi.trace import Call, flag_bits, read_trace, split_arguments
from krait.abi.verdict import FLAG, MISSING, PROCESS, judge
from tests.conftest import Run

TRACE = r"""
100 execve("/bin/x", ["x, \"y\"", ")"], 0x7ffe /* 3 vars */) = 0
100 openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
100 openat(-100, "/etc/passwd", 0x80000) = 3
100 read(3,  <unfinished ...>
101 getpid()                = 101
100 <... read resumed>"", 0) = 0
--- SIGCHLD {si_signo=SIGCHLD} ---
[pid   101] io_uring_setup(8, {flags=0}) = 5
101 renameat2(-100, "a", -100, "b", RENAME_WHITEOUT) = 0
101 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_FS|CLONE_THREAD|CLONE_SIGHAND) = 102
101 clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD, stack=0x7f}, 88) = 103
101 bpf(0x5, 0x7ffd, 0x78) = -1 ENOSYS (Function not implemented)
101 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 6
101 exit_group(0)           = ?
+++ exited with 0 +++
"""


def test_calls_are_put_together() -> None:
    calls = list(read_trace(TRACE.splitlines()))
    assert [call.name for call in calls] == [
        "execve", "openat", "openat", "getpid", "read", "io_uring_setup", "renameat2", "clone",
        "clone3", "bpf", "socket", "exit_group",
    ]  # fmt: skip
    assert calls[0].arguments == ['"/bin/x"', r'["x, \"y\"", ")"]', "0x7ffe /* 3 vars */"]
    assert calls[4].arguments == ["3", '""', "0"]
    assert calls[9].error == "ENOSYS"


def test_what_lacks() -> None:
    found = {(each.kind, each.call, each.what) for each in judge(read_trace(TRACE.splitlines()))}
    assert found == {
        (PROCESS, "clone3", ""),
        (MISSING, "io_uring_setup", ""),
        (FLAG, "renameat2", "RENAME_WHITEOUT"),
    }


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0x80001", 0x80001),
        ("SOCK_STREAM|SOCK_CLOEXEC", 0x80000),
        ("0", 0),
        ("0x3 /* GRND_NONBLOCK|GRND_RANDOM */", 3),
        ("{st_mode=S_IFREG}", None),
    ],
)
def test_flags_in_either_form(written: str, value: int | None) -> None:
    assert flag_bits(written, {"SOCK_CLOEXEC": 0x80000}) == value


@given(st.text(max_size=80))
def test_no_line_does_harm(line: str) -> None:
    judge(
        read_trace([line, f"1 openat({line}) = 3", f"1 clone({line}", f"<... read resumed>{line}"])
    )
    split_arguments(line)


def test_every_flag_is_in_an_argument_that_is_known() -> None:
    for call in declared_calls().values():
        if call.flags:
            assert call.name in FLAGS
        if call.place >= 0:
            arguments = ["0"] * call.place + [hex(call.flags)]
            assert judge([Call(call.name, arguments, None)]) == []


def test_the_command(run_krait: Run, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(TRACE)
    done = run_krait("abi", "--trace", str(trace), "--json")
    assert done.returncode == 1
    assert {each["call"] for each in json.loads(done.stdout)} >= {"clone3", "renameat2"}
    fine = run_krait("abi", "--", "/bin/cat", "/etc/hostname")
    assert fine.returncode == 0, fine.stdout
    assert run_krait("abi").returncode == 2
    assert "No such file" in run_krait("abi", "--trace", "/nonexistent").stderr
