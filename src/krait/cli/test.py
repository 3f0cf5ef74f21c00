"""`krait test`: style, types and tests, cheapest first."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from krait.apps.catalogue import app_names, find_app, missing_of, packages_of
from krait.checkout import checkout_folder
from krait.cli.messages import say
from krait.errors import UserError
from krait.installation.environment import add_test_packages
from krait.installation.packages import BUILD_AND_RUN, TEST, install_packages, missing_packages
from krait.kernels import find_kernel
from krait.running import KERNEL_VARIABLE

_EPILOG = """\b
Examples:
  krait test                         everything
  krait test --fast                  what needs no virtual machine
  krait test --guest -k mmap         tests inside virtual machines whose name has 'mmap'
  krait test --debug-kernel          those, with the kernel that checks itself
  krait test tests/host -x           arguments go on to pytest
"""

_FAST = ("tests/test_architecture.py", "tests/compiler", "tests/host", "tests/kernel")
_GUEST = ("tests/guest", "tests/conformance")
_APPS = ("tests/apps",)
_PYTHON = ("src", "tests", "bench")
"""Not docs/: examples there align their comments."""
CONFIGURATION_VARIABLE = "KRAIT_TEST_CONFIGURATION"
"""Tells the tests how to build the kernels that are nothing but a test (tests/guest/kernels)."""
_NO_TESTS = 5  # pytest's status when nothing was selected


@click.command(
    epilog=_EPILOG,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.option("--fast", is_flag=True, help="Style, types, and tests on the host.")
@click.option("--guest", is_flag=True, help="Tests inside virtual machines.")
@click.option("--apps", is_flag=True, help="Real programs, compared with the host.")
@click.option("--debug-kernel", is_flag=True, help="Boot the kernel of `krait build --debug`.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(
    fast: bool, guest: bool, apps: bool, debug_kernel: bool, arguments: tuple[str, ...]
) -> int:
    """Run the checks and tests; the last line is pytest's summary."""
    root = checkout_folder()
    add_test_packages(root)
    guest = guest or (debug_kernel and not (fast or apps))
    everything = not (fast or guest or apps)
    missing = missing_packages(BUILD_AND_RUN + TEST)
    if apps or everything:
        missing += missing_of(packages_of(map(find_app, app_names())))
    if missing:
        install_packages(list(dict.fromkeys(missing)))
    if debug_kernel:
        _boot_debug_kernel()
    given = [argument for argument in arguments if os.path.exists(argument.split("::")[0])]
    failed = False
    if (fast or everything) and not given:
        failed = not _check(root)
    folders: list[str] = []
    if not given:
        for wanted, group in ((fast, _FAST), (guest, _GUEST), (apps, _APPS)):
            if wanted or everything:
                folders += group
    if guest or apps or everything:
        _build_kernel()
    present = [folder for folder in folders if os.path.exists(os.path.join(root, folder))]
    status = _pytest(root, [*present, *arguments])
    return status or (1 if failed else 0)


def _build_kernel() -> None:
    """Build the kernel before tests with time limits wait for it; they report what is wrong."""
    try:
        find_kernel("default", say)
    except UserError as error:
        say(error.message)


def _boot_debug_kernel() -> None:
    """Let every machine of the tests boot the debugging kernel, and their own kernels be such."""
    os.environ[KERNEL_VARIABLE] = find_kernel("debug", say).path
    os.environ[CONFIGURATION_VARIABLE] = "debug"


def _check(root: str) -> bool:
    """Style and types. All of them run, so that one look shows everything."""
    checks = (
        ("formatting", ["ruff", "format", "--check", "--quiet", *_PYTHON]),
        ("style", ["ruff", "check", "--quiet", *_PYTHON]),
        ("types", ["mypy"]),
    )
    passed = True
    for name, command in checks:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            passed = False
            sys.stdout.write(done.stdout)
            sys.stdout.flush()
        say(f"{name}: {'ok' if done.returncode == 0 else 'failed'}")
    return passed


def _pytest(root: str, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "pytest", *arguments]
    if not any(argument.startswith("-n") for argument in arguments):
        command += ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup"]
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["PYTHONPATH"] = os.path.join(root, "src")
    status = subprocess.run(command, cwd=root, env=variables, check=False).returncode
    return 0 if status == _NO_TESTS else status
