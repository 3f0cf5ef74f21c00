"""Which modules Python code imports, by reading it: for installations too large to copy whole."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from typing import Final

from krait.image.manifest import Manifest

IMPORT: Final = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w., \t]+))"
    rb"|(?:import_module|__import__)\([ \t]*['\"]([\w.]+)['\"]",
    re.MULTILINE,
)
IMPORT_AT_START: Final = re.compile(
    rb"^(?:from[ \t]+([\w.]+)[ \t]+import\b|import[ \t]+([\w., \t]+))|(?!)(.)", re.MULTILINE
)
REQUIRES: Final = re.compile(rb"^Requires-Dist: ([\w.-]+)(?!.*\bextra\b)", re.MULTILINE)
"""A requirement of every installation (Core metadata specifications)."""
CODE_MAX: Final = 4 << 20
PACKAGES_MAX: Final = 400
EXTENSION_ENDS: Final = (".py", ".so", ".abi3.so")
SKIPPED: Final = frozenset(("tests", "test", "__pycache__"))
"""Folders in packages that nothing imports; `testing` is imported: numpy.testing by scipy."""


class ImportedModules:
    """Adds modules by name to a manifest, with all that they import."""

    def __init__(
        self,
        manifest: Manifest,
        library: str,
        folders: list[str],
        skip_suffixes: tuple[str, ...],
    ) -> None:
        """Search these folders; what `library`, the standard library, has is not searched for."""
        self.manifest = manifest
        self.library = library
        self.folders = list(dict.fromkeys(folders))
        self.skip_suffixes = skip_suffixes
        self.done: set[str] = set()
        self.wants_zones = False
        self.missing: list[str] = []
        self.required: list[str] = []

    def add(self, names: Iterable[str], *, start_up: bool = False) -> None:
        """Add modules and, breadth first, what they import.

        With `start_up`, imports inside functions and conditions are left out: a site folder has
        hooks that every interpreter loads and hardly one uses.
        """
        pending = list(names)
        for name in pending:
            if name in self.done or name in sys.stdlib_module_names or not name:
                self.wants_zones |= name == "zoneinfo"
                continue
            self.done.add(name)
            if len(self.done) > PACKAGES_MAX:
                return
            for path in self._module_files(name):
                pending.extend(self._imports(path, IMPORT_AT_START if start_up else IMPORT))
            pending.extend(self.required)
            self.required.clear()

    def add_imports_of(self, path: str) -> None:
        """Add what a script imports."""
        self.add(self._imports(path, IMPORT))

    def add_path_files(self, folder: str) -> None:
        """Add a site folder's *.pth files, the modules they import and the folders they name."""
        if not os.path.isdir(folder):
            return
        self.manifest.add_host(folder)
        for name in sorted(_listed(folder)):
            if not name.endswith(".pth"):
                continue
            path = os.path.join(folder, name)
            self.manifest.add_host(path)
            for line in _read(path).decode("utf-8", "replace").splitlines():
                if line.startswith(("import ", "import\t")):
                    found = IMPORT.finditer(line.replace(";", "\n").encode())
                    self.add((name for match in found for name in _names(match)), start_up=True)
                elif line.strip() and not line.startswith("#"):
                    self.folders.append(os.path.join(folder, line.strip()))
        self.add(("sitecustomize", "usercustomize"), start_up=True)

    def _module_files(self, name: str) -> list[str]:
        """Add a module or package; returns its Python files."""
        for folder in self.folders:
            package = os.path.join(folder, name)
            if os.path.isdir(package) and _is_package(package):
                return self._package_files(folder, name, package)
            for path in self._single_files(folder, name):
                self.manifest.add_host(path)
                self._add_metadata(folder, name)
                return [path] if path.endswith(".py") else []
        self.missing.append(name)
        return []

    def _package_files(self, folder: str, name: str, package: str) -> list[str]:
        """Add a package's folder, its metadata and the folder of its own shared libraries."""
        self.manifest.add_tree(
            package, skip_directories=SKIPPED - {"__pycache__"}, skip_suffixes=self.skip_suffixes
        )
        self._add_metadata(folder, name)
        libraries = os.path.join(folder, f"{name}.libs")  # auditwheel's
        if os.path.isdir(libraries):
            self.manifest.add_tree(libraries)
        found: list[str] = []
        compiled = False
        for directory, below, names in os.walk(package):
            below[:] = [one for one in below if one not in SKIPPED]
            found += [os.path.join(directory, one) for one in names if one.endswith(".py")]
            compiled |= any(one.endswith(".so") for one in names)
        if compiled:
            self.required += self._required_modules(folder, name)
        return found

    def _required_modules(self, folder: str, name: str) -> list[str]:
        """List the modules of what a package requires: compiled code imports them unseen."""
        described = self._metadata_of(folder, name)
        required = {
            _project(match[1].decode())
            for each in described
            for match in REQUIRES.finditer(_read(os.path.join(folder, each, "METADATA")))
        }
        return [
            module
            for each in _listed(folder)
            if each.endswith(".dist-info") and _project(each.partition("-")[0]) in required
            for module in _top_modules(_read(os.path.join(folder, each, "RECORD")))
        ]

    def _single_files(self, folder: str, name: str) -> list[str]:
        """List the files of a module that is not a package."""
        plain = os.path.join(folder, f"{name}.py")
        if self.manifest.lstat(plain) is not None:
            return [plain]
        names = sorted(_listed(folder)) if folder not in ("", "/") else []
        return [
            os.path.join(folder, one)
            for one in names
            if one.startswith(f"{name}.") and one.endswith(EXTENSION_ENDS)
        ]

    def _add_metadata(self, folder: str, name: str) -> None:
        """Add NAME-VERSION.dist-info, which importlib.metadata reads."""
        for one in self._metadata_of(folder, name):
            self.manifest.add_tree(os.path.join(folder, one))

    def _metadata_of(self, folder: str, name: str) -> list[str]:
        """List the folders that describe the project that is called as a module is."""
        return [
            one
            for one in _listed(folder)
            if one.endswith((".dist-info", ".egg-info"))
            and _project(one.partition("-")[0]) == _project(name)
        ]

    def _imports(self, path: str, pattern: re.Pattern[bytes]) -> list[str]:
        """List the top-level names that a file imports."""
        return [name for match in pattern.finditer(_read(path)) for name in _names(match)]


def _listed(folder: str) -> list[str]:
    """List a folder; nothing when it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _project(name: str) -> str:
    """Spell a project's name in the one way that compares (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _top_modules(record: bytes) -> list[str]:
    """List the modules that a project installed at the top, by its list of files (PEP 376)."""
    paths = [line.partition(",")[0] for line in record.decode("utf-8", "replace").splitlines()]
    tops = {
        path.partition("/")[0].partition(".")[0]
        for path in paths
        if path.endswith(EXTENSION_ENDS) and not path.startswith((".", "/"))
    }
    return sorted(tops)


def _is_package(folder: str) -> bool:
    """Tell whether a folder holds Python modules at its top or one level below."""
    names = _listed(folder)
    if any(name.endswith(EXTENSION_ENDS) for name in names):
        return True
    return any(os.path.exists(os.path.join(folder, name, "__init__.py")) for name in names)


def _names(match: re.Match[bytes]) -> list[str]:
    """Take the top-level names from a match."""
    if match[2] is not None:
        parts = [part.split() for part in match[2].decode().split(",")]
        return [part[0].partition(".")[0] for part in parts if part]
    return [(match[1] or match[3]).decode().partition(".")[0]]


def _read(path: str) -> bytes:
    """Read the start of a file; nothing when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(CODE_MAX)
    except OSError:
        return b""
