"""The closure of a run: everything that must be in the image for a program to run as on the host.

In this order: the program behind PATH and shims, its interpreters, their shared libraries, what a
language's finder knows, libraries that are loaded later, the files every C library reads, the files
that the command line names, volumes and manifests, and the directories that each system has.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from krait.image.elf import PT_INTERP, PT_LOAD, Elf, is_elf, read_elf
from krait.image.errors import ImageError
from krait.image.fast_path import WRAPPERS, Request, names_a_file
from krait.image.finders import (
    command_files,
    erlang,
    etc_files,
    go,
    java,
    loaded_later,
    lua,
    node,
    own_data,
    package_files,
    perl,
    php,
    python,
    ruby,
    shell,
    traced_files,
)
from krait.image.library_search import LibrarySearch, is_musl
from krait.image.manifest import Manifest, parse_manifest
from krait.image.program import Resolved, resolve_program

PF_W: Final = 2
VARIABLE_FILE_MAX: Final = 4 << 20
STACK_AND_HEAP: Final = 256 << 10
NESTING_MAX: Final = 4


class Closure(NamedTuple):
    """What an image is made from."""

    manifest: Manifest
    program: Resolved
    notes: list[str]
    hlt_candidates: list[str]  # real paths of ELF files to search for `hlt`
    least_memory: int


class _Builder:
    """Collects the closure of one request."""

    def __init__(self, request: Request) -> None:
        """Start with an empty manifest."""
        self.request = request
        self.manifest = Manifest()
        self.environment = dict(request.environment)
        self.search = LibrarySearch(self.manifest, self.environment, request.workdir)
        self.notes: list[str] = []
        self.tried: set[str] = set()
        self.programs: dict[str, Elf] = {}  # by real path
        self.changes: dict[str, str] = {}  # of the environment, by version managers

    def add_program(self, program: str, arguments: list[str], depth: int = 0) -> Resolved:
        """Add a program with all it needs, and the one that a wrapper like `env` will execute."""
        request = self.request
        resolved = resolve_program(
            program, arguments, self.manifest, self.environment, request.workdir
        )
        self.environment.update(resolved.environment)
        self.changes.update(resolved.environment)
        for script in resolved.scripts:
            self.manifest.add_host(script)
            own_data.add_own_data(script, self.manifest, self.environment, self.notes)
            self.add_package_files(script)
        self.manifest.add_host(resolved.path)
        for path in resolved.executables:
            elf = self.add_executable(path)
            own_data.add_own_data(path, self.manifest, self.environment, self.notes)
            finder = _finder_of(path)
            if depth == 0 and self.request.finder is not None and path == resolved.executables[-1]:
                finder = _finder_named(self.request.finder)
            if finder is None:
                go.add_go(path, self.manifest)
                self.add_package_files(path)
            else:
                shell_words = [*resolved.scripts, *arguments] if resolved.scripts else arguments
                finder(self, path, elf, shell_words)
        name = os.path.basename(resolved.path)
        if depth < NESTING_MAX:
            if name in WRAPPERS:
                self._add_wrapped(arguments, depth + 1)
            self._add_commands(resolved, arguments, depth + 1)
        return resolved

    def add_executable(self, path: str) -> Elf:
        """Add an ELF program and its libraries."""
        real = self.manifest.add_host(path) or path
        elf = read_elf(real)._replace(path=path)
        self.programs[real] = elf
        self.search.add_program(path, elf)
        return elf

    def add_package_files(self, path: str) -> None:
        """Add what the package of a program holds, with the libraries of programs in it."""
        package_files.add_package_files(
            path, self.manifest, self.notes, lambda file: _add_named_elf(self, file)
        )

    def _add_wrapped(self, arguments: list[str], depth: int) -> None:
        """Add the program that a wrapper names, if one of its words can be found."""
        for index, word in enumerate(arguments):
            if word.startswith("-") or word.replace(".", "").isdigit():
                continue
            name, assigns, value = word.partition("=")
            if assigns:
                self.environment[name] = value
                continue
            try:
                self.add_program(word, arguments[index + 1 :], depth)
            except ImageError as error:
                self.notes.append(error.message)
            return

    def _add_commands(self, resolved: Resolved, arguments: list[str], depth: int) -> None:
        """Add the programs that a shell script or `-c` code names."""
        name = os.path.basename(resolved.executables[-1])
        commands = shell.commands_of(name, resolved.scripts, arguments, self.environment)
        for path in commands:
            if path in self.tried:
                continue
            self.tried.add(path)
            with contextlib.suppress(ImageError):  # a word that only looked like a command
                self.add_program(path, [], depth)

    def add_embedded_python(self) -> None:
        """Add the standard library of a libpython that a program is linked to, as gdb is."""
        for place, one in list(self.search.loaded.items()):
            if os.path.basename(place).startswith("libpython"):
                python.add_python(place, one.elf, self.search, [], self.environment, self.notes)

    def add_files_of_environment(self) -> None:
        """Add files that variables name by their whole value, such as SSL_CERT_FILE."""
        for name, value in self.request.environment.items():
            if names_a_file(name, value) and os.path.isfile(value):
                readable = os.access(value, os.R_OK)
                if readable and os.path.getsize(value) <= VARIABLE_FILE_MAX:
                    self.manifest.add_host(value)

    def add_volumes(self) -> None:
        """Copy what `-v HOST:GUEST` and manifest files name."""
        for host, guest in self.request.volumes:
            if not guest.startswith("/"):
                raise ImageError(f"-v {host}:{guest}: the guest's path must begin with '/'")
            try:
                self.manifest.add_copy(os.path.join(self.request.workdir, host), guest)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise ImageError(f"-v {host}:{guest}: {reason}") from None
        for path in self.request.extra_manifests:
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    text = file.read()
            except OSError as error:
                raise ImageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
            self.manifest.lstat(os.path.abspath(path))
            parse_manifest(text, os.path.dirname(os.path.abspath(path)), self.manifest)

    def hlt_candidates(self) -> list[str]:
        """Choose the files that may rely on `hlt`: programs, and the libraries of musl."""
        chosen = list(self.programs)
        interpreters = {elf.interpreter for elf in self.programs.values() if elf.interpreter}
        if any(map(is_musl, interpreters)):
            chosen += [os.path.realpath(path) for path in interpreters]
            chosen += list(self.search.loaded)
        return list(dict.fromkeys(chosen))

    def least_memory(self) -> int:
        """Estimate what the programs write to at least: data segments, a stack, a heap."""
        loaded = [*self.programs.values(), *(one.elf for one in self.search.loaded.values())]
        written = sum(
            segment.memory_size
            for elf in loaded
            for segment in elf.segments
            if segment.type == PT_LOAD and segment.flags & PF_W
        )
        return written + STACK_AND_HEAP


def build_closure(request: Request) -> Closure:
    """Collect everything that a request's image holds; raises ImageError."""
    builder = _Builder(request)
    manifest, environment = builder.manifest, builder.environment
    etc_files.add_folders(manifest, environment)
    program = builder.add_program(request.program, request.arguments)
    named = command_files.add_command_files(
        [*request.arguments, *request.extra_files], manifest, request.workdir, builder.notes
    )
    for path in named:
        _add_named_elf(builder, path)
    loaded_later.add_loaded_later(builder.programs.values(), builder.search, environment)
    builder.add_embedded_python()
    etc_files.add_databases(manifest, environment)
    builder.add_files_of_environment()
    builder.add_volumes()
    if request.trace is not None:
        _add_traced(builder, request.trace)
    return Closure(
        manifest,
        program._replace(environment=builder.changes),
        builder.notes,
        builder.hlt_candidates(),
        builder.least_memory(),
    )


def _add_traced(builder: _Builder, trace: str) -> None:
    """Add the files that a run on the host opened, and say which were not there before.

    Of the folders that are too large for an image, this is what the program uses.
    """
    manifest = builder.manifest
    builder.notes[:] = [note for note in builder.notes if not note.endswith(own_data.TOO_LARGE)]
    manifest.lstat(trace)
    before = {path for path, _ in manifest.files()}
    for path in traced_files.add_traced(trace, manifest, builder.notes):
        _add_named_elf(builder, path)
    added = [path for path, _ in manifest.files() if path not in before]
    builder.notes.append(traced_files.summary(added))


def _add_named_elf(builder: _Builder, path: str) -> None:
    """Add the libraries of an ELF file that an argument names; it may be data all the same."""
    if not is_elf(path):
        return
    try:
        elf = read_elf(os.path.realpath(path))
    except ImageError:
        return
    if any(segment.type == PT_INTERP for segment in elf.segments):
        try:
            builder.search.add_program(path, elf)
        except ImageError as error:
            builder.notes.append(error.message)
            builder.search.missing.clear()
    else:
        builder.search.add_library(path)


def _finder_of(path: str) -> Callable[[_Builder, str, Elf, list[str]], None] | None:
    """Choose a language's finder by the program's name, with or without a version behind it."""
    for name in (os.path.basename(path), os.path.basename(os.path.realpath(path))):
        for start, finder in FINDERS.items():
            if re.fullmatch(f"{re.escape(start)}[0-9.]*t?", name):
                return finder
    return None


def _finder_named(name: str) -> Callable[[_Builder, str, Elf, list[str]], None]:
    """Choose a finder by the name that a definition gives."""
    finder = FINDERS.get(FINDER_NAMES.get(name, name))
    if finder is None:
        known = ", ".join(sorted({*FINDER_NAMES, *FINDERS} - {*FINDER_NAMES.values()}))
        raise ImageError(f"there is no finder '{name}'; there are: {known}")
    return finder


def _find_python(builder: _Builder, path: str, elf: Elf, arguments: list[str]) -> None:
    """Call Python's finder."""
    python.add_python(path, elf, builder.search, arguments, builder.environment, builder.notes)


def _language(
    add: Callable[[str, LibrarySearch, list[str], Mapping[str, str], list[str]], None],
) -> Callable[[_Builder, str, Elf, list[str]], None]:
    """Make a finder of one that needs no look into the program's ELF file."""

    def find(builder: _Builder, path: str, _elf: Elf, arguments: list[str]) -> None:
        add(path, builder.search, arguments, builder.environment, builder.notes)

    return find


FINDERS: Final[Mapping[str, Callable[[_Builder, str, Elf, list[str]], None]]] = {
    "python": _find_python,
    "perl": _language(perl.add_perl),
    "ruby": _language(ruby.add_ruby),
    "php": _language(php.add_php),
    "lua": _language(lua.add_lua),
    "node": _language(node.add_node),
    "erlexec": _language(erlang.add_erlang),
    "beam.smp": _language(erlang.add_erlang),
    "escript": _language(erlang.add_erlang),
    "erlc": _language(erlang.add_erlang),
    **dict.fromkeys(java.LAUNCHERS, _language(java.add_java)),
}
FINDER_NAMES: Final[Mapping[str, str]] = {"erlang": "erlexec"}
"""Languages that are not called as their program is."""
