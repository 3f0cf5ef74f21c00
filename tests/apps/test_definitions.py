"""Every app under `apps/`: its own test, and a traced program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krait.apps.catalogue import app_names
from tests.comparison import ENVIRONMENT, run_in_guest

Run = Callable[..., Any]


@pytest.mark.parametrize("name", app_names())
def test_smoke(run_krait: Run, name: str) -> None:
    """The program prints what its definition says; nothing is skipped where it is not installed."""
    done = run_krait("apps", "--smoke", name, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr


def test_run_and_build(run_krait: Run, tmp_path: Path) -> None:
    """By name with other arguments, by folder, with a changed definition; and the image alone."""
    named = run_krait("run", "--app", "lua", "--", "-e", "print(6 * 7) os.exit(3)")
    assert (named.stdout, named.returncode) == ("42\n", 3)
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "app.toml").write_text(
        "program = 'sh'\narguments = ['-c', 'echo $A; read x < sub/file; echo $x']\n"
        "files = ['sub']\n[environment]\nA = 'variable'\n"
    )
    (folder / "sub").mkdir()
    (folder / "sub" / "file").write_text("content\n")
    for words in (("--app", str(folder)), (str(folder),)):
        done = run_krait("run", *words)
        assert (done.stdout, done.returncode) == ("variable\ncontent\n", 0)
    other = run_krait("run", "-e", "A=other", str(folder), "-c", "echo $A")
    assert other.stdout == "other\n"
    built = run_krait("build", "--json", "image=lua")
    assert json.loads(built.stdout)["bytes"] > 0


def test_trace_files(tmp_path: Path) -> None:
    """A name that is computed: not found without a trace; with it, by other arguments too."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "text").write_text("traced\n")
    script = tmp_path / "script.py"
    script.write_text("import sys\nprint(open('da' + 'ta/text').read(), sys.argv[1:])\n")
    command = ["/usr/bin/python3", "script.py"]
    directory = str(tmp_path)

    def run(*words: str, switches: tuple[str, ...] = ()) -> tuple[int, bytes, bytes]:
        return run_in_guest([*command, *words], b"", ENVIRONMENT, switches, directory)

    assert run("a")[0] == 1
    status, output, errors = run("a", switches=("--trace-files",))
    assert (status, output) == (0, b"traced\n ['a']\n")
    assert b"once on the host" in errors
    assert b"the trace added " in errors
    assert f"{directory}/data/text".encode() in errors
    assert run("b", switches=("--trace-files",)) == (0, b"traced\n ['b']\n", b"")
