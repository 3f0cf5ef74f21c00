"""Resolves PROGRAM as the user's shell would, and through version managers to the real binary.

A shell looks along PATH and takes the first file that may be executed (POSIX.1, XCU 2.9.1.1). A
shim of pyenv, rbenv, nodenv, asdf or mise is a script that asks its manager which version to run,
which takes a tenth of a second and a tree of scripts; Krait finds the version as the manager does
and takes the binary. Symbolic links are not resolved: a virtual environment is one.

Everything that was looked at is remembered in the manifest's inputs, so that a new file earlier in
PATH, or another version chosen in a `.python-version`, makes a cached image stale.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from krait.image.errors import STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND, ImageError
from krait.image.launchers import behind_launcher
from krait.image.manifest import Manifest

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # bash's
SCRIPT_HEAD: Final = 256  # BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h
SCRIPTS_MAX: Final = 5  # nesting of `#!`, fs/exec.c
SHIM_SIZE_MAX: Final = 4096
VERSION_FILES: Final = {
    "PYENV": ".python-version",
    "RBENV": ".ruby-version",
    "NODENV": ".node-version",
    "PLENV": ".perl-version",
    "GOENV": ".go-version",
}


class Resolved(NamedTuple):
    """A program found: what the guest executes, and what the image must hold for it."""

    path: str  # absolute, links kept; the guest executes this
    argv: list[str]
    executables: list[str]  # ELF files that run, the interpreters of scripts included
    environment: dict[str, str]  # what a version manager would have changed
    scripts: list[str]


class _Search(NamedTuple):
    """Where to look."""

    manifest: Manifest
    environment: Mapping[str, str]
    workdir: str

    @property
    def folders(self) -> list[str]:
        """The folders of PATH."""
        path = self.environment.get("PATH", DEFAULT_PATH)
        return [os.path.join(self.workdir, folder) for folder in path.split(":")]


def resolve_program(
    program: str,
    arguments: list[str],
    manifest: Manifest,
    environment: Mapping[str, str],
    workdir: str,
) -> Resolved:
    """Find a program and the interpreters it needs; raises ImageError with status 126 or 127."""
    search = _Search(manifest, environment, workdir)
    path = _find(program, search)
    real, changes = _behind_shim(path, search)
    argv = [program if real == path else real, *arguments]
    search = search._replace(environment={**environment, **changes})
    executables: list[str] = []
    scripts: list[str] = []
    here = real
    for _ in range(SCRIPTS_MAX):
        head = _head(here, program)
        if not head.startswith(b"#!"):
            break
        scripts.append(here)
        here, more = _interpreter(here, head, executables, search)
        changes.update(more)
        search = search._replace(environment={**search.environment, **more})
    else:
        raise ImageError(f"{program}: too many levels of '#!' interpreters", STATUS_NOT_EXECUTABLE)
    if not head.startswith(b"\x7fELF"):
        if scripts or b"\0" in head or not head:
            raise ImageError(f"{here}: not an ELF program", STATUS_NOT_EXECUTABLE)
        # As a shell does after ENOEXEC (POSIX.1, XCU 2.9.1.1): it is taken for a shell script.
        scripts.append(here)
        argv = ["/bin/sh", program if "/" in program else here, *arguments]
        here = real = "/bin/sh"
    executables.append(here)
    return Resolved(real, argv, executables, changes, scripts)


def _find(program: str, search: _Search) -> str:
    """Find a program by its path or along PATH."""
    if not program or "\0" in program:
        raise ImageError(f"{program!r}: not found", STATUS_NOT_FOUND)
    if "/" in program:
        path = os.path.join(search.workdir, program)
        problem = _problem(path, search)
        if problem is not None:
            raise ImageError(f"{program}: {problem[0]}", problem[1])
        return path
    found_unusable: tuple[str, tuple[str, int]] | None = None
    for folder in search.folders:
        path = os.path.join(folder, program)
        problem = _problem(path, search)
        if problem is None:
            return path
        if problem[1] == STATUS_NOT_EXECUTABLE and found_unusable is None:
            found_unusable = path, problem
    if found_unusable is not None and not os.path.isdir(found_unusable[0]):
        raise ImageError(f"{found_unusable[0]}: {found_unusable[1][0]}", STATUS_NOT_EXECUTABLE)
    raise ImageError(f"{program}: command not found", STATUS_NOT_FOUND)


def _problem(path: str, search: _Search) -> tuple[str, int] | None:
    """Say why a path cannot be executed: the reason and the status; None when it can."""
    search.manifest.lstat(path)
    try:
        status = os.stat(path)
    except NotADirectoryError:
        return "not a directory", STATUS_NOT_EXECUTABLE
    except PermissionError:
        return "permission denied", STATUS_NOT_EXECUTABLE
    except OSError:
        return "no such file", STATUS_NOT_FOUND
    if stat.S_ISDIR(status.st_mode):
        return "is a directory", STATUS_NOT_EXECUTABLE
    if not stat.S_ISREG(status.st_mode):
        return "not a regular file", STATUS_NOT_EXECUTABLE
    if not os.access(path, os.X_OK):
        return "permission denied: not executable", STATUS_NOT_EXECUTABLE
    return None


def _head(path: str, program: str) -> bytes:
    """Read the beginning of a program."""
    try:
        with open(path, "rb") as file:
            return file.read(SCRIPT_HEAD)
    except PermissionError:
        reason = "you may execute it but not read it, and an image needs its contents"
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    raise ImageError(f"{program}: {reason}", STATUS_NOT_EXECUTABLE)


def _interpreter(
    script: str, head: bytes, executables: list[str], search: _Search
) -> tuple[str, dict[str, str]]:
    """Find the interpreter that a script names; `env` is added itself and looked through."""
    line = os.fsdecode(head[2:].partition(b"\n")[0]).strip()
    name, _, rest = line.partition(" ") if " " in line else line.partition("\t")
    problem = _problem(os.path.join(search.workdir, name), search) if name else ("none named", 126)
    if problem is not None:
        raise ImageError(f"{script}: its interpreter {name}: {problem[0]}", problem[1])
    path = os.path.join(search.workdir, name)
    if os.path.basename(name) != "env":
        return _behind_shim(path, search)
    wanted = next((word for word in rest.split() if word[0] != "-" and "=" not in word), None)
    if wanted is None:
        return path, {}
    executables.append(path)
    return _behind_shim(_find(wanted, search), search)


def _behind_shim(path: str, search: _Search) -> tuple[str, dict[str, str]]:
    """Return the binary that a launcher or a version manager's shim would run, and its changes."""
    if os.path.basename(os.path.dirname(path)) != "shims":
        return behind_launcher(path, search.environment, search.manifest.lstat)
    name = os.path.basename(path)
    if os.path.basename(os.path.realpath(path)) == "mise" and name != "mise":
        return _asked(["mise", "which", name], name, search)
    try:
        if os.path.getsize(path) > SHIM_SIZE_MAX:
            return path, {}
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return path, {}
    if "asdf exec" in text:
        return _asked(["asdf", "which", name], name, search)
    found = re.search(r'export ([A-Z]+ENV)_ROOT="?([^"\n]+)"?', text)
    if found is None:
        return path, {}
    return _in_manager(found[1], found[2], name, path, search)


def _in_manager(
    manager: str, root: str, name: str, shim: str, search: _Search
) -> tuple[str, dict[str, str]]:
    """Find a program among the versions that a manager like pyenv has chosen."""
    versions = list(_versions(manager, root, search))
    for version in versions:
        if version == "system":
            folders = [f for f in search.folders if f.rstrip("/") != os.path.dirname(shim)]
            path = _find(name, search._replace(environment={"PATH": ":".join(folders)}))
            return path, {"PATH": ":".join(folders)}
        path = f"{root}/versions/{version}/bin/{name}"
        if _problem(path, search) is None:
            old = search.environment.get("PATH", DEFAULT_PATH)
            changes = {"PATH": f"{os.path.dirname(path)}:{old}"}
            return path, {**changes, f"{manager}_VERSION": ":".join(versions)}
    chosen = ", ".join(versions) or "none"
    reason = f"{manager.lower()} has no such command in the chosen versions ({chosen})"
    raise ImageError(f"{name}: {reason}", STATUS_NOT_FOUND)


def _versions(manager: str, root: str, search: _Search) -> Iterator[str]:
    """Yield the chosen versions, as `pyenv version-name` finds them, by their installed names."""
    chosen = search.environment.get(f"{manager}_VERSION", "").replace(":", " ").split()
    if not chosen:
        chosen = _version_file_words(manager, root, search)
    for version in chosen or ["system"]:
        yield version if version == "system" else _installed(version, root)


def _version_file_words(manager: str, root: str, search: _Search) -> list[str]:
    """Read the version file of the working directory or of one above, else the global one."""
    folder = search.workdir
    candidates = []
    while manager in VERSION_FILES:
        candidates.append(os.path.join(folder, VERSION_FILES[manager]))
        if folder == os.path.dirname(folder):
            break
        folder = os.path.dirname(folder)
    candidates.append(os.path.join(root, "version"))
    for path in candidates:
        if search.manifest.lstat(path) is None:
            continue
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                words = [word for line in file for word in line.partition("#")[0].split()]
        except OSError:
            continue
        if words:
            return words
    return []


def _installed(version: str, root: str) -> str:
    """Name the installed version for one such as `3.11`: the newest 3.11.x."""
    version = version.removeprefix("python-")
    folder = os.path.join(root, "versions")
    if os.path.isdir(os.path.join(folder, version)):
        return version
    try:
        names = [name for name in os.listdir(folder) if name.startswith(version + ".")]
    except OSError:
        names = []
    numbers = [name for name in names if re.fullmatch(r"[0-9.]+", name)]
    return max(numbers, key=lambda n: [int(x) for x in n.split(".") if x], default=version)


def _asked(command: list[str], name: str, search: _Search) -> tuple[str, dict[str, str]]:
    """Ask a manager whose choice depends on plugins; only ever done for a first build."""
    program = shutil.which(command[0], path=search.environment.get("PATH", DEFAULT_PATH))
    if program is None:
        raise ImageError(f"{name}: {command[0]} is not installed", STATUS_NOT_FOUND)
    done = subprocess.run(
        [program, *command[1:]],
        env=dict(search.environment),
        cwd=search.workdir,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    path = done.stdout.strip()
    if done.returncode or not path:
        reason = (done.stderr.strip().splitlines() or ["found nothing"])[0]
        raise ImageError(f"{name}: {command[0]}: {reason}", STATUS_NOT_FOUND)
    if os.path.basename(path) == name and _problem(path, search) is not None:
        raise ImageError(f"{path}: not executable", STATUS_NOT_EXECUTABLE)
    old = search.environment.get("PATH", DEFAULT_PATH)
    return path, {"PATH": f"{os.path.dirname(path)}:{old}"}
