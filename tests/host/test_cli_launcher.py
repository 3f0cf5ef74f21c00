"""The launcher, and what sets Krait up."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from krait.errors import UserError
from krait.installation import environment, packages
from krait.installation.packages import Need, missing_packages
from krait.machine import trial
from tests.conftest import ROOT

LAUNCHER = ROOT / "krait"
needs_environment = pytest.mark.skipif(
    not (ROOT / ".krait" / "environment" / "stamp").exists(), reason="the launcher has not run here"
)


@needs_environment
@pytest.mark.parametrize("way", ["absolute", "relative", "symlink", "path"])
def test_ways_to_call_it(tmp_path: Path, way: str) -> None:
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    command = str(LAUNCHER)
    if way == "relative":
        command = os.path.relpath(LAUNCHER, tmp_path)
    elif way == "symlink":
        (tmp_path / "link").symlink_to(LAUNCHER)
        command = "./link"
    elif way == "path":
        variables["PATH"] = f"{ROOT}:/usr/bin:/bin"
        command = "krait"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} --version"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("krait, version")


@needs_environment
def test_environment_reaches_the_program_unchanged(
    trial_kernel: Callable[[bytes], str], empty_image: str
) -> None:
    variables = {
        "PATH": "/opt/x:/usr/bin:/bin",
        "HOME": "/nowhere",
        "PWD": str(ROOT),
        "PYTHONPATH": "/p",
        "VIRTUAL_ENV": "/v",
        "PIP_INDEX_URL": "/i",
    }
    command = [str(LAUNCHER), "run", "--dry-run", "--json", "--accel", "tcg"]
    command += ["--kernel", trial_kernel(trial.stop()), "--image", empty_image, "/x"]
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True
    )
    arguments = json.loads(done.stdout)
    line = arguments[arguments.index("-append") + 1]
    seen = {word.removeprefix("env=") for word in line.split() if word.startswith("env=")}
    assert seen == {f"{name}={value}" for name, value in variables.items()}


def test_current_environment(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("click==1")
    place = tmp_path / "environment"
    assert not environment.is_current(str(place), str(lock))
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to("/bin/sh")
    (place / "stamp").write_text(environment._digest(str(lock)))
    assert environment.is_current(str(place), str(lock))
    lock.write_text("click==2")
    assert not environment.is_current(str(place), str(lock))


def test_no_lock_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        environment._digest(str(tmp_path / "none"))


def test_missing_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs = (Need("gcc", ("gcc", "clang")), Need("libc6-dev", (str(tmp_path / "stdio.h"),)))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing_packages(needs) == ["gcc", "libc6-dev"]
    clang = tmp_path / "clang"
    clang.write_text("")
    clang.chmod(0o755)
    (tmp_path / "stdio.h").write_text("")
    assert missing_packages(needs) == []


def test_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "apt-get").write_text("")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    assert packages.install_packages(["gcc"]) is False
    assert capsys.readouterr().err == "krait: please type: sudo apt-get install gcc\n"
