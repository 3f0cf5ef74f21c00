"""PROGRAM is found as a shell would find it, and behind the shims of version managers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from krait.image.errors import ImageError
from krait.image.manifest import Manifest
from krait.image.program import Resolved, resolve_program


def script(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def resolve(program: str, folder: Path, *folders: str, **variables: str) -> Resolved:
    path = ":".join(str(folder / one) for one in folders)
    variables.setdefault("PATH", f"{path}:/usr/bin:/bin")
    return resolve_program(program, ["x"], Manifest(), variables, str(folder))


def refused(program: str, folder: Path, *folders: str, **variables: str) -> tuple[int, str]:
    with pytest.raises(ImageError) as caught:
        resolve(program, folder, *folders, **variables)
    assert "\n" not in caught.value.message
    return caught.value.status, caught.value.message.replace(str(folder), "HERE")


def test_path_is_searched_in_order(tmp_path: Path) -> None:
    script(tmp_path / "b/hello")
    script(tmp_path / "c/hello")
    found = resolve("hello", tmp_path, "a", "b", "c")
    assert found.path == str(tmp_path / "b/hello")
    assert found.argv == ["hello", "x"]
    assert found.executables == ["/bin/sh"]
    assert found.scripts == [found.path]


def test_what_cannot_be_executed_is_passed_over(tmp_path: Path) -> None:
    script(tmp_path / "a/hello").chmod(0o644)
    (tmp_path / "b/hello").mkdir(parents=True)
    script(tmp_path / "c/hello")
    assert resolve("hello", tmp_path, "a", "b", "c").path == str(tmp_path / "c/hello")


@pytest.mark.parametrize(
    ("program", "status", "message"),
    [
        ("nope", 127, "nope: command not found"),
        ("./nope", 127, "./nope: no such file"),
        ("a/none/x", 127, "a/none/x: no such file"),
        ("a", 127, "a: command not found"),
        ("./a", 126, "./a: is a directory"),
        ("./a/plain", 126, "./a/plain: permission denied: not executable"),
        ("plain", 126, "HERE/a/plain: permission denied: not executable"),
        ("a/plain/x", 126, "a/plain/x: not a directory"),
        ("./a/binary", 126, "HERE/./a/binary: not an ELF program"),
        ("./a/lost", 127, "HERE/./a/lost: its interpreter /no/such/sh: no such file"),
        ("", 127, "'': not found"),
    ],
)
def test_refusals_are_one_line_and_the_status_of_a_shell(
    tmp_path: Path, program: str, status: int, message: str
) -> None:
    script(tmp_path / "a/plain").chmod(0o644)
    script(tmp_path / "a/binary", "\0\1\2\3")
    script(tmp_path / "a/lost", "#!/no/such/sh -e\n")
    assert refused(program, tmp_path, "a") == (status, message)


def test_a_script_without_a_first_line_is_given_to_sh(tmp_path: Path) -> None:
    script(tmp_path / "a/plain", "echo hello\n")
    found = resolve("plain", tmp_path, "a")
    assert found.path == "/bin/sh"
    assert found.argv == ["/bin/sh", str(tmp_path / "a/plain"), "x"]


def test_env_is_looked_through(tmp_path: Path) -> None:
    script(tmp_path / "a/inner")
    script(tmp_path / "a/outer", "#!/usr/bin/env -S A=1 inner -x\n")
    found = resolve("outer", tmp_path, "a")
    assert found.executables == ["/usr/bin/env", "/bin/sh"]
    assert found.scripts == [str(tmp_path / "a/outer"), str(tmp_path / "a/inner")]


def test_scripts_nest_only_so_deep(tmp_path: Path) -> None:
    for level in range(7):
        script(tmp_path / f"s{level}", f"#!{tmp_path}/s{level + 1}\n")
    status, message = refused("./s0", tmp_path)
    assert (status, message) == (126, "./s0: too many levels of '#!' interpreters")


@pytest.fixture
def pyenv(tmp_path: Path) -> Path:
    root = tmp_path / "pyenv"
    text = (
        f'#!/usr/bin/env bash\nexport PYENV_ROOT="{root}"\nexec "{root}/libexec/pyenv" exec "$@"\n'
    )
    script(root / "shims/tool", text)
    for version in ("3.10.13", "3.11.2", "3.11.10"):
        script(root / f"versions/{version}/bin/tool")
    script(tmp_path / "system/tool")
    (root / "version").write_text("3.11.2\n")
    return root


def test_a_shim_leads_to_the_chosen_version(tmp_path: Path, pyenv: Path) -> None:
    found = resolve("tool", tmp_path, "pyenv/shims", "system")
    real = str(pyenv / "versions/3.11.2/bin/tool")
    assert found.path == real
    assert found.argv == [real, "x"]
    assert found.environment["PYENV_VERSION"] == "3.11.2"
    assert found.environment["PATH"].startswith(os.path.dirname(real) + ":")


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("3.10.13", "3.10.13"), ("3.11", "3.11.10"), ("3.9:3.10.13", "3.10.13")],
)
def test_the_variable_chooses_a_version(
    tmp_path: Path, pyenv: Path, chosen: str, expected: str
) -> None:
    found = resolve("tool", tmp_path, "pyenv/shims", PYENV_VERSION=chosen, PATH=f"{pyenv}/shims")
    assert found.path == f"{pyenv}/versions/{expected}/bin/tool"


def test_the_file_of_a_project_chooses_a_version(tmp_path: Path, pyenv: Path) -> None:
    (tmp_path / ".python-version").write_text("3.10.13 # why\n")
    assert "3.10.13" in resolve("tool", tmp_path, "pyenv/shims").path


def test_the_system_version_is_behind_the_shims(tmp_path: Path, pyenv: Path) -> None:
    path = f"{pyenv}/shims:{tmp_path}/system"
    found = resolve("tool", tmp_path, PYENV_VERSION="system", PATH=path)
    assert found.path == str(tmp_path / "system/tool")


def test_a_version_without_the_program_is_named(tmp_path: Path, pyenv: Path) -> None:
    assert refused("tool", tmp_path, PYENV_VERSION="3.9.1", PATH=f"{pyenv}/shims") == (
        127,
        "tool: pyenv has no such command in the chosen versions (3.9.1)",
    )
