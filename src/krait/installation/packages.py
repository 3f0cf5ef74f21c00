"""System packages: which are missing, and how they are installed or asked for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

from krait.cli.messages import say


class Need(NamedTuple):
    """Something of the system: any of the programs will do, the package brings the first."""

    package: str
    programs: tuple[str, ...]


BUILD_AND_RUN = (
    Need("qemu-system-x86", ("qemu-system-x86_64",)),
    Need("gcc", ("gcc", "clang")),
)
TEST = (
    Need("busybox-static", ("busybox",)),
    Need("musl-tools", ("musl-gcc",)),
    Need("g++", ("g++",)),
    Need("libc6-dev", ("/usr/include/stdio.h",)),
    Need("sqlite3", ("sqlite3",)),
    Need("perl", ("/usr/share/perl/5.36/strict.pm", "/usr/share/perl5")),
    Need("mawk", ("mawk",)),
    Need("python3", ("/usr/bin/python3",)),
    Need("strace", ("strace",)),
    Need("stress-ng", ("stress-ng",)),
    Need("sysbench", ("sysbench",)),
    Need("rt-tests", ("cyclictest",)),
    Need("golang-1.19-src", ("/usr/share/go-1.19/src/os/os_test.go",)),
    Need("libpython3.11-testsuite", ("/usr/lib/python3.11/test/test_mmap.py",)),
)

_OTHER_MANAGERS = (
    ("dnf", "dnf install qemu-system-x86-core gcc"),
    ("pacman", "pacman -S qemu-system-x86 gcc"),
    ("apk", "apk add qemu-system-x86_64 gcc musl-dev"),
    ("zypper", "zypper install qemu-x86 gcc"),
)


def missing_packages(needs: tuple[Need, ...]) -> list[str]:
    """The packages for which no program is there."""
    return [
        need.package for need in needs if not any(_is_there(program) for program in need.programs)
    ]


def install_packages(packages: list[str]) -> bool:
    """Install packages if that is allowed; else say what to type. Returns whether it was done."""
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        say(f"please install {' '.join(packages)}{_other_manager()}")
        return False
    prefix = _privilege(packages)
    if prefix is None:
        say(f"please type: sudo apt-get install {' '.join(packages)}")
        return False
    if not _knows(packages):
        _run([*prefix, "apt-get", "update", "-qq"])
    say(f"installing {' '.join(packages)}{_size(packages)}")
    return _run([*prefix, *command])


def _is_there(program: str) -> bool:
    return os.path.exists(program) if program.startswith("/") else shutil.which(program) is not None


def _other_manager() -> str:
    for manager, command in _OTHER_MANAGERS:
        if shutil.which(manager):
            return f", for example by: {command}"
    return " with your system's package manager"


def _privilege(packages: list[str]) -> list[str] | None:
    """What to put before a command that needs root; None if it may not be run."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    keep = "--preserve-env=http_proxy,https_proxy,no_proxy"
    if subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ["sudo", "-n", keep]
    if not (os.isatty(0) and os.isatty(2)):
        return None
    sys.stderr.write(f"krait: install {' '.join(packages)}{_size(packages)} with sudo? [Y/n] ")
    sys.stderr.flush()
    answer = sys.stdin.readline().strip().lower()
    return ["sudo", keep] if answer in ("", "y", "yes") else None


def _knows(packages: list[str]) -> bool:
    """Whether apt's lists have the packages: a fresh container has no lists at all."""
    probe = ["apt-cache", "policy", *packages]
    output = subprocess.run(probe, capture_output=True, text=True, check=False).stdout
    return output.count("Candidate:") - output.count("Candidate: (none)") == len(packages)


def _size(packages: list[str]) -> str:
    """How much apt would fetch, in words."""
    probe = ["apt-get", "install", "--yes", "--no-install-recommends", "--print-uris", "-qq"]
    done = subprocess.run([*probe, *packages], capture_output=True, text=True, check=False)
    sizes = re.findall(r"^'[^']+' \S+ (\d+)", done.stdout, re.MULTILINE)
    return f" ({sum(map(int, sizes)) / 1e6:.0f} MB)" if sizes else ""


def _run(command: list[str]) -> bool:
    """Run a command with its output on standard error only if it fails."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=variables,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.startswith("E:")]
        reason = (lines or done.stdout.splitlines() or ["no message"])[-1]
        say(f"{command[0] if command[0] != 'sudo' else 'apt-get'} failed: {reason}")
    return done.returncode == 0
