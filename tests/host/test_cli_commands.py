"""The other commands: help, doctor, clean, bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run, plain_environment

COMMANDS = ("run", "build", "test", "bench", "doctor", "clean")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(run_krait: Run, command: str) -> None:
    done = run_krait(command, "--help")
    assert done.returncode == 0
    assert "Examples:" in done.stdout
    assert f"krait {command}" in done.stdout


def test_commands_leave_the_kernel_to_its_configuration() -> None:
    """What reads the configuration when it is loaded is not there before a build chooses one."""
    code = "import sys, krait.cli.commands; print('krait.kernel.config' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_help_without_a_command(run_krait: Run) -> None:
    done = run_krait()
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["frobnicate"], 2),
        (["--frobnicate"], 2),
        (["clean", "--frobnicate"], 2),
        (["build", "--dump", "soup", "m"], 2),
        (["build", "--debug", "--least"], 2),
        (["bench", "no-such-measurement"], 125),
    ],
)
def test_bad_input_is_one_line(run_krait: Run, arguments: list[str], status: int) -> None:
    done = run_krait(*arguments)
    assert done.returncode == status
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("krait: ")


def test_doctor(run_krait: Run, tmp_path: Path) -> None:
    done = run_krait("doctor", "--json", env=plain_environment(tmp_path))
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["qemu"]["state"] == "ok"
    assert findings["boot"]["state"] == "ok"
    assert findings["accelerator"]["detail"].split(":")[0] in ("tcg", "kvm")


def test_doctor_names_what_is_missing(run_krait: Run, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path)}
    done = run_krait("doctor", "--json", env=environment)
    assert done.returncode == 1
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert findings["qemu"]["remedy"] == "apt-get install qemu-system-x86"
    assert findings["c compiler"]["remedy"] == "apt-get install gcc"


def test_clean(run_krait: Run, tmp_path: Path) -> None:
    images = tmp_path / ".cache" / "krait" / "images"
    images.mkdir(parents=True)
    (images / "x.rofs").write_bytes(bytes(1 << 20))
    done = run_krait("clean", env=plain_environment(tmp_path))
    assert done.returncode == 0
    assert done.stdout.startswith("1.0 MiB removed")
    assert not images.exists()


@pytest.mark.parametrize("stage", ["ast", "typed", "linear", "c"])
def test_dump(run_krait: Run, stage: str) -> None:
    done = run_krait("build", "--dump", stage, "krait.kernel.fs.path")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) > 100


def test_build_and_list_an_image(run_krait: Run, tmp_path: Path) -> None:
    environment = plain_environment(tmp_path)
    built = run_krait("build", "--json", "--", "/bin/true", env=environment)
    image = json.loads(built.stdout)
    listed = run_krait("build", "--list", image["image"], env=environment)
    assert listed.returncode == 0
    assert any(line.endswith(" /usr/bin/true") for line in listed.stdout.splitlines())
