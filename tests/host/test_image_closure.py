"""Closures: what the finders bring into an image for each kind of program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from krait.image.closure import Closure, build_closure
from krait.image.errors import ImageError
from krait.image.fast_path import Request

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "TERM": "xterm", "LANG": "C.UTF-8"}
PYTHON = "/usr/bin/python3"


def closure(*words: str, workdir: Path | str = "/", **variables: str) -> Closure:
    environment = {**ENVIRONMENT, **variables}
    return build_closure(Request(words[0], words[1:], environment, workdir=str(workdir)))


def holds(found: Closure, *paths: str) -> None:
    for path in paths:
        assert found.manifest.resolve(path) is not None, path


needs_python = pytest.mark.skipif(not os.path.exists(PYTHON), reason="no system Python")


def python_says(code: str) -> str:
    done = subprocess.run([PYTHON, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@needs_python
def test_python_has_its_standard_library_and_extensions() -> None:
    found = closure(PYTHON, "-c", "print(1)")
    files = "import os, json.decoder as j; print(os.__file__, j.__file__)"
    holds(found, *python_says(files).split(), PYTHON, "/etc/passwd")
    holds(found, *python_says("import ctypes, _ctypes, ssl, _ssl; print(_ctypes.__file__)").split())
    assert any("libffi.so" in path for path in found.manifest.entries)
    assert any("libsqlite3.so" in path for path in found.manifest.entries)
    below = [path for path in found.manifest.entries if "/python3." in path]
    assert not [path for path in below if "/test/" in path or ".opt-1.pyc" in path]
    assert any(path.endswith(".pyc") for path in below)


@needs_python
def test_python_loads_every_module_of_its_library_that_the_image_should_have() -> None:
    """What an import of much of the library opens on the host is in the image."""
    modules = "json, re, hashlib, decimal, sqlite3, zlib, ctypes, asyncio, ssl, lzma, bz2, uuid"
    listing = "print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', 0)))"
    opened = python_says(f"import sys, {modules}; {listing}").split()
    holds(closure(PYTHON, "-c", "1"), *(path for path in opened if "dist-packages" not in path))


@needs_python
def test_a_virtual_environment_keeps_its_prefix(tmp_path: Path) -> None:
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    packages = next((tmp_path / "venv/lib").glob("python3.*/site-packages"))
    (packages / "mine.py").write_text("x = 1\n")
    found = closure("venv/bin/python", "-c", "import mine", workdir=tmp_path)
    holds(
        found,
        f"{tmp_path}/venv/pyvenv.cfg",
        str(packages / "mine.py"),
        python_says("import os; print(os.__file__)"),
    )
    assert found.manifest.entries[f"{tmp_path}/venv/bin/python"].is_link
    assert found.program.path == f"{tmp_path}/venv/bin/python"


@needs_python
def test_a_script_brings_the_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").write_text("from package import inner\n")
    (tmp_path / "package/inner.py").write_text("import other\n")
    (tmp_path / "other.py").write_text("")
    (tmp_path / "unrelated.py").write_text("")
    (tmp_path / "main.py").write_text("import package\n")
    found = closure(PYTHON, "main.py", workdir=tmp_path)
    holds(found, *(f"{tmp_path}/{name}" for name in ("main.py", "package/inner.py", "other.py")))
    assert found.manifest.resolve(f"{tmp_path}/unrelated.py") is None


@needs_python
def test_large_site_packages_are_taken_by_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from krait.image.finders import python

    monkeypatch.setattr(python, "WHOLE_FILES_MAX", 3)
    packages = tmp_path / "packages"
    for name, text in (("wanted", "import needed"), ("needed", ""), ("idle", "")):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").write_text(text)
        (packages / f"{name}-1.0.dist-info").mkdir()
        (packages / f"{name}-1.0.dist-info/METADATA").write_text("Name: x")
    for name in ("testing", "tests"):
        (packages / "wanted" / name).mkdir()
        (packages / "wanted" / name / "__init__.py").touch()
    found = closure(PYTHON, "-c", "import wanted", PYTHONPATH=str(packages))
    holds(found, f"{packages}/wanted/testing/__init__.py")
    assert found.manifest.resolve(f"{packages}/wanted/tests") is None
    holds(found, f"{packages}/wanted/__init__.py", f"{packages}/needed/__init__.py")
    holds(found, f"{packages}/wanted-1.0.dist-info/METADATA")
    assert found.manifest.resolve(f"{packages}/idle") is None


@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl")
def test_perl_has_its_modules() -> None:
    code = "use POSIX; use Data::Dumper; use List::Util; print join ' ', values %INC"
    done = subprocess.run(["perl", "-e", code], capture_output=True, text=True, check=True)
    holds(closure("perl", "-e", "1"), *done.stdout.split())


def test_a_static_program_needs_little(tmp_path: Path) -> None:
    (tmp_path / "m.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-static", "-o", tmp_path / "m", tmp_path / "m.c"], check=True)
    found = closure("./m", workdir=tmp_path)
    files = [path for path, _ in found.manifest.files()]
    assert not [path for path in files if ".so" in path]
    assert len(files) < 25
    assert found.hlt_candidates == [f"{tmp_path}/m"]
    assert found.least_memory < 1 << 20


def test_etc_files_and_the_terminal_are_there() -> None:
    found = closure("bash", "-c", "echo")
    holds(found, "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.cache")
    assert any(path.endswith("/x/xterm") for path in found.manifest.entries)
    assert found.manifest.resolve("/etc/shadow") is None


def test_the_time_zone_is_there() -> None:
    if not os.path.exists("/usr/share/zoneinfo/America/New_York"):
        pytest.skip("no zones here")
    holds(closure("date", TZ="America/New_York"), "/usr/share/zoneinfo/America/New_York")
    holds(
        closure("env", "TZ=Asia/Tokyo", "date"), "/usr/share/zoneinfo/Asia/Tokyo", "/usr/bin/date"
    )


def test_a_shell_brings_the_commands_it_names() -> None:
    found = closure("bash", "-c", "cd /; if true; then ls -l | wc -l; fi; A=1 exec sort /etc/hosts")
    holds(found, "/usr/bin/ls", "/usr/bin/wc", "/usr/bin/sort")


def test_files_of_the_command_line_are_there(tmp_path: Path) -> None:
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "folder/deep/file").write_text("x")
    (tmp_path / "folder/link").symlink_to("/nowhere")
    (tmp_path / "alias").symlink_to("folder")
    found = closure("cat", "alias/deep/file", "--x=folder", "/proc/self/maps", workdir=tmp_path)
    holds(found, f"{tmp_path}/alias/deep/file")
    assert found.manifest.entries[f"{tmp_path}/folder/link"].target == "/nowhere"
    assert "/proc/self" not in found.manifest.entries


def test_too_large_directories_are_cut_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from krait.image.finders import command_files

    monkeypatch.setattr(command_files, "ENTRIES_MAX", 5)
    for number in range(9):
        (tmp_path / str(number)).write_text("")
    found = closure("ls", ".", workdir=tmp_path)
    assert found.notes == [
        "the directories hold more than 5 files or 256 MiB; the rest is not in the image"
    ]


def test_the_root_itself_is_not_copied() -> None:
    assert closure("ls", "/").notes == [
        "'/' is not copied: the guest's root holds what the program needs"
    ]


def test_a_missing_library_is_named_before_the_boot(tmp_path: Path) -> None:
    (tmp_path / "l.c").write_text("int f(void) { return 0; }")
    (tmp_path / "m.c").write_text("int f(void); int main(void) { return f(); }")
    library, program = tmp_path / "libgone.so", tmp_path / "m"
    subprocess.run(["gcc", "-shared", "-o", library, tmp_path / "l.c"], check=True)
    subprocess.run(["gcc", "-o", program, tmp_path / "m.c", library], check=True)
    library.unlink()
    with pytest.raises(ImageError) as caught:
        closure(str(program))
    needed = f"{library} (needed by {program})"
    assert caught.value.message == f"{program}: missing shared library: {needed}"
    assert caught.value.status == 127


def test_the_interpreter_of_these_tests_is_found() -> None:
    found = closure(sys.executable, "-c", "import pytest")
    done = subprocess.run(
        [sys.executable, "-c", "import os, pytest; print(os.__file__, pytest.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    holds(found, *done.stdout.split())
