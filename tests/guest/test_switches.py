"""The switches of `krait run`, seen from inside the machine, and the Python API."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

import krait
from tests.conftest import Run

pytestmark = pytest.mark.guest

PYTHON = ("/usr/bin/python3", "-S", "-E", "-c")


def test_environment(run_krait: Run) -> None:
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "FROM_HOST": "a b"}
    done = run_krait("run", "-e", "ADDED=1=2", "--", "/usr/bin/env", env=variables)
    assert sorted(done.stdout.splitlines()) == sorted(
        [*(f"{name}={value}" for name, value in variables.items()), "ADDED=1=2"]
    )


def test_long_environment(run_krait: Run) -> None:
    value = "x%y " * 10_000
    done = run_krait("run", "-e", f"LONG={value}", "--", "/usr/bin/printenv", "LONG")
    assert done.stdout == f"{value}\n"


def test_arguments_of_every_kind(run_krait: Run) -> None:
    arguments = ["", " ", "a b", "%41", "'\"\\", "ä€", "\n", "-x", "--", "=", "*"]
    script = "import sys; print(ascii(sys.argv[1:]))"
    done = run_krait("run", "--", *PYTHON, script, *arguments)
    assert done.stdout == f"{ascii(arguments)}\n"


def test_volume_and_directory(run_krait: Run, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_text("content\n")
    done = run_krait(
        "run", "-v", f"{tmp_path}:/data", "--workdir", "/data/inner", "--", "/bin/cat", "file"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "content\n", "")


def test_directory_is_the_users(run_krait: Run, tmp_path: Path) -> None:
    done = run_krait("run", "--", "/bin/pwd", cwd=tmp_path)
    assert done.stdout == f"{tmp_path}\n"


@pytest.mark.parametrize("memory", ["32M", "1G"])
def test_memory(run_krait: Run, memory: str) -> None:
    done = run_krait("run", "-m", memory, "--", "/bin/cat", "/proc/meminfo")
    match = re.match(r"MemTotal:\s+(\d+) kB", done.stdout)
    assert match is not None
    whole = {"32M": 32 << 10, "1G": 1 << 20}[memory]
    assert whole * 0.8 < int(match[1]) <= whole


@pytest.mark.parametrize("board", ["microvm", "q35", "pc"])
@pytest.mark.parametrize("root", ["initrd", "disk"])
def test_boards_and_roots(run_krait: Run, board: str, root: str) -> None:
    switches = ["--machine", board, "--root", root]
    done = run_krait("run", *switches, "--", "/bin/echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


def test_two_processors_do_no_harm(run_krait: Run) -> None:
    done = run_krait("run", "-c", "2", "--", "/bin/echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")


def test_host_name_user_and_mask(run_krait: Run) -> None:
    script = "import os; print(os.uname().nodename, os.getuid(), os.getgid(), os.umask(0))"
    done = run_krait("run", "--", *PYTHON, script)
    mask = os.umask(0)
    os.umask(mask)
    assert done.stdout.split() == [
        os.uname().nodename,
        str(os.getuid()),
        str(os.getgid()),
        str(mask),
    ]


def test_time_limit(run_krait: Run) -> None:
    done = run_krait("run", "--timeout", "1.5", "--", "/bin/sleep", "60")
    assert done.returncode == 124
    assert done.stderr == "krait: /bin/sleep: still running after 1.5 s, ended\n"


def test_system_calls_are_shown(run_krait: Run) -> None:
    done = run_krait("run", "--strace", "--", "/bin/cat", "/etc/hostname")
    assert done.returncode == 0
    assert re.search(r'^openat\(AT_FDCWD, "/etc/hostname", O_RDONLY.*\) = 3$', done.stderr, re.M)
    assert re.search(r"^exit_group\(0\) = \?$", done.stderr, re.M)


def test_boot_chart(run_krait: Run) -> None:
    """The limit is the default kernel's: one that checks itself may take more."""
    own = {name: value for name, value in os.environ.items() if name != "KRAIT_KERNEL"}
    done = run_krait("run", "--bootchart", "-m", "64M", "--", "/bin/true", env=own)
    lines = [line for line in done.stderr.splitlines() if " ms " in line]
    names = [line.split("instructions")[-1].strip() for line in lines]
    assert names[0] == "entry"
    assert {"memory", "root", "loaded", "program"} <= set(names)
    counts = [
        int(match[1].replace(",", ""))
        for line in lines
        if (match := re.search(r"([\d,]+) instructions", line))
    ]
    assert counts == sorted(counts)
    assert 10_000 < max(counts) < 500_000


def test_json(run_krait: Run) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)"
    done = run_krait("run", "--json", "--", *PYTHON, script)
    result = json.loads(done.stdout)
    assert done.returncode == 4
    assert (result["status"], result["kind"]) == (4, "exit")
    assert (result["stdout"], result["stderr"]) == ("out\n", "err\n")


def test_python_api() -> None:
    result = krait.run(["/usr/bin/python3", "-c", "print(6 * 7)"], memory="128M", timeout=60)
    assert (result.status, result.kind, result.stdout, result.stderr) == (0, "exit", b"42\n", b"")


def test_python_api_keeps_the_callers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    result = krait.run(["/usr/bin/env"])
    assert b"SECRET" not in result.stdout
    assert b"PATH=" in result.stdout


def test_python_api_input_and_limit() -> None:
    assert krait.run(["/bin/cat"], input="text").stdout == b"text"
    limited = krait.run(["/bin/sleep", "60"], timeout=1)
    assert (limited.status, limited.kind) == (124, "timeout")


def test_python_api_errors() -> None:
    with pytest.raises(krait.UserError, match="no-such-program"):
        krait.run(["no-such-program"])
    with pytest.raises(krait.UserError, match="not a size"):
        krait.run(["/bin/true"], memory="lots")
