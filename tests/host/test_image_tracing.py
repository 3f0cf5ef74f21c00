"""What a run on the host opened, and what of it goes into an image."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from krait.image.errors import ImageError
from krait.image.finders import own_data
from krait.image.finders.traced_files import add_traced, is_secret, summary
from krait.image.manifest import Manifest
from krait.image.prepare import prepare_image
from krait.image.trace_lines import read_trace
from krait.image.tracing import trace_of

LINES = r"""
7 execve("./program", ["./program"], 0x7ffe /* 9 vars */) = 0
7 openat(AT_FDCWD</home/me>, "data/a.txt", O_RDONLY|O_CLOEXEC) = 3</home/me/data/a.txt>
7 openat(AT_FDCWD</home/me>, "/no/such", O_RDONLY) = -1 ENOENT (No such file or directory)
7 openat(4</srv/deep>, "b\303\251 \"q\".txt", O_RDONLY) = 5</srv/deep/b>
7 newfstatat(3</home/me/data/a.txt>, "", {st_mode=S_IFREG|0644, st_size=5, ...}, AT_EMPTY_PATH) = 0
7 newfstatat(AT_FDCWD</home/me>, "/etc/motd", {st_mode=S_IFREG|0644, st_size=5, ...}, 0) = 0
7 chdir("/var") = 0
7 access("lib/c", R_OK) = 0
8 access("relative/to/start", R_OK) = 0
7 fchdir(6</opt>) = 0
7 stat("d", {st_mode=S_IFREG|0644, st_size=1, ...}) = 0
7 getdents64(9</usr/lib/plugins>, 0x55 /* 4 entries */, 32768) = 112
7 openat(AT_FDCWD</opt>, "/tmp/out/log", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 4</tmp/out/log>
7 openat(AT_FDCWD</opt>, "/tmp/out/log", O_RDONLY) = 4</tmp/out/log>
7 mkdir("/tmp/new", 0777) = 0
8 openat(AT_FDCWD</home/me>, "/etc/slow", O_RDONLY <unfinished ...>
7 open("/etc/quick", O_RDONLY) = 4</etc/quick>
8 <... openat resumed>) = 5</etc/slow>
7 +++ exited with 0 +++
"""


def test_lines_of_strace() -> None:
    used = read_trace(LINES.splitlines(), "/home/me")
    assert used.files == sorted(
        (
            *("/home/me/./program", "/home/me/data/a.txt", '/srv/deep/bé "q".txt', "/etc/motd"),
            *("/var/lib/c", "/home/me/relative/to/start", "/opt/d", "/etc/slow", "/etc/quick"),
        )
    )
    assert used.folders == ["/tmp", "/tmp/out", "/usr/lib/plugins", "/var"]


@pytest.mark.parametrize(
    "text", ["", "no line", "7", "7 openat(", '7 open("', '7 open("\\400") = 3']
)
def test_damaged_lines_are_skipped(text: str) -> None:
    assert read_trace([text], "/").folders == []


def test_secrets_and_what_has_gone_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id").touch()
    (tmp_path / "here").write_text("x")
    trace = tmp_path / "trace"
    files = [str(tmp_path / name) for name in (".ssh/id", "here", "gone")]
    trace.write_text(json.dumps({"files": files, "folders": [str(tmp_path / "gone")]}))
    manifest, notes = Manifest(), []
    assert add_traced(str(trace), manifest, notes) == []
    assert [path for path, _ in manifest.files()] == [str(tmp_path / "here")]
    assert len(notes) == 1
    assert "secret" in notes[0]
    assert is_secret("/etc/shadow")
    assert not is_secret("/etc/passwd")


def test_a_damaged_list_is_one_line(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for text in ("", "[]", '{"files": 1}'):
        trace.write_text(text)
        with pytest.raises(ImageError, match="--trace-again"):
            add_traced(str(trace), Manifest(), [])


def test_summary_names_the_first_files() -> None:
    assert "added no file" in summary([])
    assert summary(["/a"]) == "the trace added 1 file: /a"
    assert "and 8 more" in summary([f"/{n}" for n in range(20)])


def test_a_traced_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is made once, serves other arguments, and grows when it is asked to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nD=da; read -r line < ./${D}ta/$1; echo $line > written\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "data").mkdir()
    for name in ("one", "two"):
        (tmp_path / "data" / name).write_text("text\n")
    said: list[str] = []

    def trace(argument: str, *, again: bool) -> str:
        return trace_of(
            "./script", [argument], os.environ, str(tmp_path),
            again=again, seconds=20, announce=said.append,
        )  # fmt: skip

    def image_files(path: str) -> set[str]:
        prepared = prepare_image("./script", ["x"], trace=path, workdir=str(tmp_path))
        from krait.image.listing import list_image

        return {word for line in list_image(prepared.path) for word in line.split()}

    path = trace("one", again=False)
    assert len(said) == 1
    assert trace("two", again=False) == path
    assert len(said) == 1, "the second run needs no trace"
    assert f"{tmp_path}/data/one" in image_files(path)
    assert f"{tmp_path}/data/two" not in image_files(path)
    assert f"{tmp_path}/written" not in image_files(path)
    assert trace("two", again=True) == path
    assert {f"{tmp_path}/data/one", f"{tmp_path}/data/two"} <= image_files(path)


def test_a_trace_is_not_advised_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was left out as too large is in the trace if the program opens it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(own_data, "FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(own_data, "BYTES_MAX", 1)
    (tmp_path / "true").mkdir()
    (tmp_path / "true" / "data").write_text("much")
    trace = tmp_path / "trace"
    trace.write_text(json.dumps({"files": [], "folders": []}))
    without = prepare_image("/bin/true", [], workdir="/").notes
    traced = prepare_image("/bin/true", [], trace=str(trace), workdir="/").notes
    assert [note for note in without if own_data.TOO_LARGE in note]
    assert not [note for note in traced if own_data.TOO_LARGE in note]


def test_a_server_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it opened before the limit counts."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code = "read -r line < /etc/hostname; exec sleep 60"
    path = trace_of("sh", ["-c", code], os.environ, "/", again=False, seconds=0.5, announce=print)
    assert "/etc/hostname" in json.loads(Path(path).read_text())["files"]
