"""Krait's own Python environment.

It is built beside its place and renamed under a lock, because first runs are interrupted and run in
parallel. `venv` is asked for an environment without pip: Debian splits ensurepip off into a package
of its own, while a pip that lies somewhere on the system, even as a wheel, installs into any
environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

from krait.cli.messages import say
from krait.errors import UserError
from krait.installation.packages import BUILD_AND_RUN, install_packages, missing_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STAMP = "stamp"
"""Names the lock file that the environment was made from; newer than it, or to be compared."""

_LOCK_FILE = "requirements.lock"
_TEST_LOCK_FILE = "requirements-test.lock"
_TEST_STAMP = "test-stamp"
_WHEELS = ("/usr/share/python-wheels/pip-*.whl", "/usr/share/python-pip-wheels/pip-*.whl")
_MISLEADING = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH")
"""Variables of a user that would send packages elsewhere; the rest (index, proxy) is kept."""


def install(environment: str, checkout: str) -> None:
    """Make or renew the environment, and add system packages that are missing."""
    lock_file = os.path.join(checkout, _LOCK_FILE)
    with _lock(f"{environment}.lock"):
        if not is_current(environment, lock_file):
            say("setting up: Python packages (once, about 10 MB)")
            _make(environment, checkout, lock_file)
    missing = missing_packages(BUILD_AND_RUN)
    if missing:
        install_packages(missing)


def is_current(environment: str, lock_file: str) -> bool:
    """Whether the environment was made from this very lock file; notes it if so."""
    stamp = os.path.join(environment, STAMP)
    try:
        with open(stamp, encoding="ascii") as file:
            current = file.read() == _digest(lock_file)
    except OSError:
        return False
    if not current or not os.access(os.path.join(environment, "bin", "python"), os.X_OK):
        return False
    os.utime(stamp)
    return True


def add_test_packages(checkout: str) -> None:
    """Install what the tests need into the environment that this process runs in."""
    lock_file = os.path.join(checkout, _TEST_LOCK_FILE)
    stamp = os.path.join(sys.prefix, _TEST_STAMP)
    wanted = _digest(lock_file)
    if os.path.exists(stamp):
        with open(stamp, encoding="ascii") as file:
            if file.read() == wanted:
                return
    say("setting up: Python packages for the tests (once, about 30 MB)")
    with _lock(f"{stamp}.lock"):
        _pip_install(sys.executable, lock_file)
        with open(stamp, "w", encoding="ascii") as file:
            file.write(wanted)


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """Wait for other processes that set up the same environment."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise UserError(f"{error.filename}: {error.strerror}; set XDG_CACHE_HOME") from None


def _make(environment: str, checkout: str, lock_file: str) -> None:
    temporary = tempfile.mkdtemp(prefix="environment-", dir=os.path.dirname(environment))
    try:
        _make_venv(temporary)
        _pip_install(os.path.join(temporary, "bin", "python"), lock_file)
        _make_importable(temporary, os.path.join(checkout, "src"))
        with open(os.path.join(temporary, STAMP), "w", encoding="ascii") as file:
            file.write(_digest(lock_file))
        os.chmod(temporary, 0o755)
        if os.path.exists(environment):
            os.rename(environment, f"{temporary}-old")
        os.rename(temporary, environment)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(f"{temporary}-old", ignore_errors=True)


def _make_venv(folder: str) -> None:
    try:
        import venv
    except ImportError:
        raise UserError(
            "this Python has no 'venv' module; install it with: apt-get install python3-venv"
        ) from None
    venv.EnvBuilder(with_pip=False, symlinks=True).create(folder)


def _make_importable(environment: str, sources: str) -> None:
    """Let `import krait` find the checkout, for tests and scripts."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = os.path.join(environment, "lib", version, "site-packages", "krait.pth")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{sources}\n")


def _pip_install(python: str, lock_file: str) -> None:
    command = [*_pip(python), "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--require-hashes", "--prefer-binary", "--no-warn-script-location", "-r", lock_file]
    variables = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
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
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line.upper()]
        reason = (errors or done.stdout.splitlines() or ["no message"])[-1].strip()
        raise UserError(f"pip could not install the Python packages: {reason}")


def _pip(python: str) -> list[str]:
    """A command that runs some pip on behalf of the given interpreter."""
    if (found := _find_pip(python)) is not None:
        return found
    install_packages(["python3-venv"])
    if (found := _find_pip(python)) is not None:
        return found
    raise UserError("no pip was found; install it with: apt-get install python3-venv")


def _find_pip(python: str) -> list[str] | None:
    """A wheel can be run as it lies there; a pip of the system can install elsewhere."""
    places = [os.path.join(sys.base_prefix, "lib", "python3*", "ensurepip", "_bundled", "pip-*")]
    for pattern in (*places, *_WHEELS):
        if wheels := sorted(glob.glob(pattern)):
            return [python, "-I", os.path.join(wheels[-1], "pip")]
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    probe = [base, "-I", "-m", "pip", "--python", python, "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return [base, "-I", "-m", "pip", "--python", python]
    return None


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
