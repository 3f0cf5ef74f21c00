"""Java: the run-time image of an OpenJDK, and the classes and archives that the arguments name.

A launcher (`java`, `javac`, `jshell`, …) finds its home two folders above its real path, as
libjli does. From there go in: `lib` with the modules file, libjvm.so, its class data archive, the
security files and the time zones, and `conf`; Debian keeps parts of both behind links in /etc.
Left out is what only a screen, a sound card or a developer's editor needs.

What the launcher's arguments mean is in java(1). A class path that is given goes in whole; of the
default one, the working directory, goes in what the main class reaches (`java_classes`).
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from typing import Final

from krait.image.errors import ImageError
from krait.image.fast_path import JAVA_WITH_VALUE, java_words
from krait.image.finders.command_files import add_directory
from krait.image.finders.java_classes import add_reached_classes, archive_class_path, holds_class
from krait.image.library_search import LibrarySearch

HOMELESS: Final = frozenset(
    (
        *("libawt_xawt.so", "libjawt.so", "libsplashscreen.so"),  # need the X Window System
        *("libatk-wrapper.so", "libjsound.so", "libsaproc.so"),  # accessibility, sound, debugger
        *("src.zip", "psfont.properties.ja", "psfontj2d.properties"),
    )
)
COMPILER_DATA: Final = "ct.sym"  # the signatures of older releases, read by the compiler
LAUNCHERS: Final = ("java", "javac", "jar", "javap", "javadoc", "jshell", "jlink", "keytool")
OWN_PACKAGES: Final = ("java.", "javax.", "jdk.", "sun.", "com.sun.")


class _Arguments:
    """What the launcher's arguments say about files."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Read them as libjli does: options, then a class, an archive, a module or a source."""
        self.class_path: list[str] | None = None
        self.module_path: list[str] = []
        self.others: list[str] = []  # agents and what is put before the boot class path
        self.archive: str | None = None
        self.main_class: str | None = None
        self.source: str | None = None
        self.modular = False
        if environment.get("CLASSPATH"):
            self.class_path = environment["CLASSPATH"].split(":")
        options = environment.get("JDK_JAVA_OPTIONS", "").split()
        self._read([*options, *arguments])

    def _read(self, arguments: list[str]) -> None:
        """Take one argument after the other."""
        words = iter(java_words(arguments))
        for word in words:
            name, _, value = word.partition("=")
            if word in ("-cp", "-classpath", "--class-path"):
                self.class_path = next(words, "").split(":")
            elif name == "--class-path":
                self.class_path = value.split(":")
            elif word in ("-p", "--module-path"):
                self.module_path = next(words, "").split(":")
            elif name in ("--module-path", "--patch-module"):
                self.module_path += value.partition("=")[2 if "=" in value else 0].split(":")
            elif word in ("-m", "--module") or name == "--module":
                self.modular = True
            elif word == "-jar":
                self.archive = next(words, None)
            elif word.startswith(("-javaagent:", "-agentpath:")):
                self.others.append(word.partition(":")[2].partition("=")[0])
            elif word.startswith("-Xbootclasspath"):
                self.others += word.partition(":")[2].split(":")
            elif word in JAVA_WITH_VALUE:
                next(words, None)
            elif not word.startswith(("-", "@")):
                if word.endswith(".java"):
                    self.source = word
                elif not self.modular:
                    self.main_class = word.replace("/", ".")


def add_java(
    executable: str,
    search: LibrarySearch,
    arguments: list[str],
    environment: Mapping[str, str],
    notes: list[str],
) -> None:
    """Add what a launcher of a JDK needs to run these arguments; raises ImageError."""
    real = os.path.realpath(executable)
    home = os.path.dirname(os.path.dirname(real))
    if search.manifest.lstat(f"{home}/lib/modules") is None:
        notes.append(f"{executable}: {home}/lib/modules is missing: the JDK is not in the image")
        return
    launcher = os.path.basename(real)
    parsed = _Arguments(arguments if launcher == "java" else [], environment)
    compiles = launcher != "java" or parsed.source is not None
    skipped = HOMELESS if compiles else HOMELESS | {COMPILER_DATA}
    _add_home(home, search, skipped)
    if launcher == "java":
        _add_program(parsed, search, notes)


def _add_home(home: str, search: LibrarySearch, skipped: frozenset[str]) -> None:
    """Add the run-time image."""
    manifest = search.manifest
    for name in sorted(os.listdir(f"{home}/lib")):
        path = f"{home}/lib/{name}"
        if name in skipped:
            continue
        if os.path.isdir(path):
            manifest.add_tree(path)
        else:
            manifest.add_host(path)
    manifest.listed.add(f"{home}/lib")
    manifest.lstat(f"{home}/lib")
    manifest.add_tree(f"{home}/conf")
    manifest.add_host(f"{home}/release")
    for path, entry in list(manifest.files()):
        if path.startswith(f"{home}/lib/") and path.endswith(".so") and entry.host is not None:
            search.add_library(path)


def _add_program(parsed: _Arguments, search: LibrarySearch, notes: list[str]) -> None:
    """Add the program that the arguments name."""
    manifest, workdir = search.manifest, search.workdir
    for path in [*parsed.module_path, *parsed.others]:
        _add_element(os.path.join(workdir, path), search, notes)
    if parsed.archive is not None:
        path = os.path.join(workdir, parsed.archive)
        if manifest.lstat(path) is None or not os.path.isfile(path):
            raise ImageError(f"java: no such archive: {parsed.archive}")
        _add_element(path, search, notes)
        return
    if parsed.source is not None and not os.path.isfile(os.path.join(workdir, parsed.source)):
        raise ImageError(f"java: no such source file: {parsed.source}")
    elements = _elements(parsed.class_path if parsed.class_path is not None else ["."], workdir)
    if parsed.class_path is not None:
        for path in elements:
            _add_element(path, search, notes)
    name = parsed.main_class
    if name is None:
        return
    if not parsed.others and not name.startswith(OWN_PACKAGES):
        found = [path for path in _with_archives(elements) if holds_class(path, name)]
        if not found:
            listed = ":".join(parsed.class_path or ["."])
            raise ImageError(f"java: no class {name} in the class path {listed} (from {workdir})")
    if parsed.class_path is None:
        add_reached_classes(name, workdir, manifest)


def _elements(class_path: Iterable[str], workdir: str) -> list[str]:
    """List the folders and archives of a class path; `folder/*` names all archives in it."""
    found: list[str] = []
    for element in class_path:
        path = os.path.join(workdir, element or ".")
        if os.path.basename(path) == "*":
            archives = glob.glob(glob.escape(os.path.dirname(path)) + "/*.[jJ][aA][rR]")
            found += sorted(archives)
        else:
            found.append(path)
    return found


def _with_archives(elements: Iterable[str]) -> list[str]:
    """Add to a class path the archives that its archives name, each once."""
    found = list(dict.fromkeys(elements))
    for path in found:
        if os.path.isfile(path):
            found += [other for other in archive_class_path(path) if other not in found]
    return found


def _add_element(path: str, search: LibrarySearch, notes: list[str]) -> None:
    """Add a folder with all below it, or an archive and those that its manifest names."""
    for one in _with_archives([path]):
        real = search.manifest.add_host(os.path.normpath(one))
        if real is not None and os.path.isdir(real) and real != "/":
            add_directory(real, search.manifest, notes)
        elif real is not None and real.endswith(".so"):
            search.add_library(real)
