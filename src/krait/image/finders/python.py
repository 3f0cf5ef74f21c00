"""Python: the standard library, its extension modules, site-packages and virtual environments.

Where they are follows from the executable's path as CPython's own getpath.py finds it: beside it or
one folder up a `pyvenv.cfg` names the real installation; above the real file the folder
`lib/pythonX.Y/os.py` marks the prefix. Nothing is executed.

The standard library goes in whole, but for its test suites and what only builds C extensions.
Small site-packages go in whole. Large ones (a developer's have 40,000 files) are taken by import:
the packages that the code on the command line imports, and what these import in turn.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from krait.image.elf import Elf
from krait.image.fast_path import imported_names
from krait.image.finders.own_data import fits
from krait.image.finders.python_imports import ImportedModules
from krait.image.library_search import LibrarySearch
from krait.image.manifest import Manifest

TESTS: Final = frozenset(
    ("test", "tests", "idle_test", "idlelib", "turtledemo", "_bundled", "__phello__")
)
SKIPPED_SUFFIXES: Final = (".opt-1.pyc", ".opt-2.pyc", ".a", ".exe", ".h", ".c", ".pyi", ".pxd")
WHOLE_FILES_MAX: Final = 1500
WHOLE_BYTES_MAX: Final = 64 << 20


class Installation(NamedTuple):
    """Where an interpreter's files are."""

    prefix: str
    version: str  # "3.11"
    library: str  # the standard library's folder
    site_packages: list[str]
    environment_root: str | None  # of a virtual environment


def add_python(
    executable: str,
    elf: Elf,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add what a Python interpreter needs to run these arguments."""
    manifest = search.manifest
    installation = find_installation(executable, elf, manifest, environment)
    if installation is None:
        notes.append(f"{executable}: its standard library was not found")
        return
    version = installation.version
    config = frozenset((f"config-{version}", f"config-{version}-x86_64-linux-gnu"))
    skipped = TESTS | config | {"site-packages", "dist-packages"}
    other_versions = _pyc_of_others(version)
    manifest.add_tree(
        installation.library,
        skip_directories=skipped,
        skip_suffixes=(*SKIPPED_SUFFIXES, *other_versions),
    )
    short = version.replace(".", "")
    manifest.add_host(os.path.join(installation.prefix, "lib", f"python{short}.zip"))
    _add_site_packages(installation, search, arguments, environment, notes)
    manifest.add_host("/etc/mime.types")
    for path, _ in list(manifest.files()):
        if ".so" in os.path.basename(path) and not path.endswith((".py", ".pyc")):
            search.add_library(path)


def find_installation(
    executable: str, elf: Elf, manifest: Manifest, environment: Mapping[str, str]
) -> Installation | None:
    """Find prefix and version, through a virtual environment if there is one."""
    root = None
    base = executable
    for folder in (os.path.dirname(executable), os.path.dirname(os.path.dirname(executable))):
        path = os.path.join(folder, "pyvenv.cfg")
        if manifest.lstat(path) is None:
            continue
        settings = _read_settings(path)
        manifest.add_host(path)
        root = folder
        home = settings.get("home")
        if home:
            for name in (os.path.basename(executable), "python3", "python"):
                if os.path.exists(os.path.join(home, name)):
                    base = os.path.join(home, name)
                    manifest.add_host(base)
                    break
        break
    found = _prefix_and_version(os.path.realpath(base), elf, environment)
    if found is None:
        return None
    prefix, version, library = found
    packages = [f"{library}/site-packages", f"{library}/dist-packages"]
    if os.path.realpath(prefix) in ("/usr", "/"):  # Debian's patched site.py
        packages += [f"/usr/local/lib/python{version}/dist-packages"]
        packages += ["/usr/lib/python3/dist-packages", "/usr/lib/python3/site-packages"]
    packages.append(f"{environment.get('HOME', '/')}/.local/lib/python{version}/site-packages")
    if root is not None:
        own = [f"{root}/{lib}/python{version}/site-packages" for lib in ("lib", "lib64")]
        shared = _read_settings(f"{root}/pyvenv.cfg").get("include-system-site-packages", "false")
        packages = own + (packages if shared.lower() == "true" else [])
    return Installation(prefix, version, library, packages, root)


def _read_settings(path: str) -> dict[str, str]:
    """Read the `name = value` lines of a pyvenv.cfg."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            pairs = [line.partition("=") for line in file if "=" in line]
    except OSError:
        return {}
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _prefix_and_version(
    real: str, elf: Elf, environment: Mapping[str, str]
) -> tuple[str, str, str] | None:
    """Walk up from the real executable to the folder that holds the library."""
    names = " ".join([os.path.basename(real), *elf.needed])
    known = re.search(r"python(\d+\.\d+)", names)
    starts = [environment["PYTHONHOME"].partition(":")[0]] if environment.get("PYTHONHOME") else []
    folder = os.path.dirname(real)
    while folder != "/":
        folder = os.path.dirname(folder)
        starts.append(folder)
    for prefix in starts:
        for lib in ("lib", "lib64"):
            parent = os.path.join(prefix, lib)
            for version in [known[1]] if known else _versions_in(parent):
                library = f"{parent}/python{version}"
                if os.path.exists(f"{library}/os.py") or os.path.exists(f"{library}/os.pyc"):
                    return prefix, version, library
    return None


def _versions_in(folder: str) -> list[str]:
    """List the versions of the libraries in a folder, the newest first."""
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [match[1] for name in names if (match := re.fullmatch(r"python(\d+\.\d+)", name))]
    return sorted(found, key=lambda text: [int(part) for part in text.split(".")], reverse=True)


def _pyc_of_others(version: str) -> tuple[str, ...]:
    """List the ends of bytecode files that another interpreter has left."""
    own = int(version.split(".")[1])
    return tuple(f".cpython-3{minor}.pyc" for minor in range(4, 20) if minor != own)


def _add_site_packages(
    installation: Installation,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add third-party packages: whole folders while they are small, else by import."""
    manifest = search.manifest
    skip_suffixes = (*SKIPPED_SUFFIXES, *_pyc_of_others(installation.version))
    large = []
    for folder in installation.site_packages:
        if manifest.lstat(folder) is None:
            continue
        if fits(folder, WHOLE_FILES_MAX, WHOLE_BYTES_MAX):
            manifest.add_tree(
                folder, skip_directories=frozenset(("tests",)), skip_suffixes=skip_suffixes
            )
        else:
            large.append(folder)
    scripts = [path for path in _scripts(arguments, search.workdir) if os.path.isfile(path)]
    own = [os.path.dirname(path) for path in scripts] or [search.workdir]
    own += [
        os.path.join(search.workdir, part)
        for part in environment.get("PYTHONPATH", "").split(":")
        if part
    ]
    modules = ImportedModules(manifest, installation.library, own + large, skip_suffixes)
    for folder in large:
        modules.add_path_files(folder)
    wanted = imported_names(arguments)
    modules.add(wanted)
    for path in scripts:
        modules.add_imports_of(path)
    if modules.wants_zones:
        manifest.add_tree("/usr/share/zoneinfo", skip_directories=frozenset(("right", "posix")))
    missing = sorted(wanted & set(modules.missing))
    if large and missing:
        notes.append(f"{', '.join(missing)}: not found in {', '.join(large)}")


def _scripts(arguments: list[str], workdir: str) -> Iterable[str]:
    """Yield the paths of Python files among the arguments."""
    for argument in arguments:
        if argument.endswith((".py", ".pyw")) or (
            not argument.startswith("-") and argument is arguments[0]
        ):
            yield os.path.join(workdir, argument)
