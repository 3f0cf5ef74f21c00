"""Finds shared libraries where the program's own dynamic linker will find them.

glibc (ld.so(8), elf/dl-load.c): a name with a slash is a path. Else, in this order: DT_RPATH of
the object that needs it and of those that loaded it, unless the first has DT_RUNPATH;
LD_LIBRARY_PATH; DT_RUNPATH of that object; /etc/ld.so.cache; the default folders.
musl (ldso/dynlink.c): names of its own parts are the linker itself; LD_LIBRARY_PATH; both kinds
of run path of the object and those that loaded it; the folders of /etc/ld-musl-ARCH.path.

Folders for newer processors (glibc-hwcaps) are only an optimisation, so what is found without
them is enough; where the cache lists several files under a name, all are taken.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from krait.image.elf import DF_1_NODEFLIB, Elf, read_elf
from krait.image.errors import STATUS_NOT_FOUND, ImageError
from krait.image.manifest import Manifest

CACHE_PATH: Final = "/etc/ld.so.cache"
CACHE_MAGIC: Final = b"glibc-ld.so.cache1.1"  # sysdeps/generic/dl-cache.h
CACHE_HEADER: Final = struct.Struct("<20sII20x")  # magic, entries, length of strings
CACHE_ENTRY: Final = struct.Struct("<iIIIQ")  # flags, key, value, os version, hwcap
CACHE_X86_64: Final = 0x0303  # FLAG_X8664_LIB64 | FLAG_ELF_LIBC6
DEFAULT_FOLDERS: Final = (
    *("/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu"),  # Debian's order
    *("/lib64", "/usr/lib64", "/lib", "/usr/lib"),
)
MUSL_FOLDERS: Final = ("/lib", "/usr/local/lib", "/usr/lib")
MUSL_OWN: Final = tuple(f"lib{name}." for name in ("c", "pthread", "rt", "m", "dl", "util", "xnet"))


class Loaded(NamedTuple):
    """An object of the closure and who loaded it."""

    elf: Elf
    place: str  # the path it was found under; $ORIGIN is its folder
    loader: Loaded | None


class LibrarySearch:
    """Collects the libraries of programs into a manifest."""

    def __init__(self, manifest: Manifest, environment: Mapping[str, str], workdir: str) -> None:
        """Search as a program with this environment and working directory would."""
        self.manifest = manifest
        self.workdir = workdir
        raw = environment.get("LD_LIBRARY_PATH", "")
        self.library_path = (
            [part or "." for part in raw.replace(";", ":").split(":")] if raw else []
        )
        self.preload = environment.get("LD_PRELOAD", "").replace(":", " ").split()
        self.loaded: dict[str, Loaded] = {}  # by real path
        self.missing: dict[str, str] = {}  # name -> who needs it
        self._cache: dict[str, list[str]] | None = None
        self._musl_folders: list[str] | None = None

    def add_program(self, path: str, elf: Elf) -> None:
        """Add a dynamic program's interpreter and libraries; raises naming all that are missing."""
        if elf.interpreter is None:
            return
        if self._add_file(elf.interpreter) is None:
            reason = f"its dynamic linker {elf.interpreter} is missing"
            raise ImageError(f"{path}: {reason}", STATUS_NOT_FOUND)
        musl = is_musl(elf.interpreter)
        self.manifest.add_host("/etc/ld-musl-x86_64.path" if musl else CACHE_PATH)
        program = Loaded(elf, os.path.realpath(path), None)
        self._add_needed(program, elf.needed, musl=musl, optional=False)
        if not musl and self.manifest.add_host("/etc/ld.so.preload") is not None:
            self.preload += _words("/etc/ld.so.preload")
        self._add_needed(program, tuple(self.preload), musl=musl, optional=True)
        if self.missing:
            listed = ", ".join(f"{name} (needed by {by})" for name, by in self.missing.items())
            noun = "library" if len(self.missing) == 1 else "libraries"
            raise ImageError(f"{path}: missing shared {noun}: {listed}", STATUS_NOT_FOUND)

    def add_library(self, path: str, *, loader: Loaded | None = None) -> None:
        """Add a library that a program may load at run time, with all it needs, if it is there."""
        real = self._add_file(path)
        if real is None or real in self.loaded:
            return
        try:
            elf = read_elf(real)
        except ImageError:
            return
        self.loaded[real] = Loaded(elf, path, loader)
        self._add_needed(self.loaded[real], elf.needed, musl=False, optional=True)

    def add_named(self, name: str, *, musl: bool = False) -> None:
        """Add a library by the name a program gives to dlopen(3), if it is there."""
        for path in self._candidates(name, None, musl=musl):
            if os.path.exists(path):
                self.add_library(path)
                return

    def _add_file(self, path: str) -> str | None:
        """Add a file with the links on the way; returns its real path."""
        return self.manifest.add_host(os.path.join(self.workdir, path))

    def _add_needed(
        self, loader: Loaded, names: tuple[str, ...], *, musl: bool, optional: bool
    ) -> None:
        """Add the libraries that an object needs, and theirs, breadth first."""
        pending = [(name, loader) for name in names]
        for name, by in pending:
            if musl and name.startswith(MUSL_OWN):
                continue
            found = self._find(name, by, musl=musl)
            if found is None:
                if not optional and name not in self.missing:
                    self.missing[name] = by.place
                continue
            if found.place == "":
                continue
            pending.extend((below, found) for below in found.elf.needed)

    def _find(self, name: str, by: Loaded, *, musl: bool) -> Loaded | None:
        """Find a library; its place is empty when it had been loaded before."""
        first: Loaded | None = None
        for path in self._candidates(name, by, musl=musl):
            if self.manifest.lstat(path) is None:
                continue
            real = os.path.realpath(path)
            known = self.loaded.get(real)
            if known is not None:
                self._add_file(path)
                return first or known._replace(place="")
            try:
                elf = read_elf(real)
            except ImageError:
                continue  # another architecture, as ld.so skips it
            self._add_file(path)
            self.loaded[real] = Loaded(elf, path, by)
            if first is None:
                first = self.loaded[real]
            if path not in (self._cached(name) if not musl else []):
                return first
        return first

    def _candidates(self, name: str, by: Loaded | None, *, musl: bool) -> Iterator[str]:
        """Yield the paths to try, in order."""
        if "/" in name:
            yield os.path.join(self.workdir, _expand(name, by))
            return
        for folder in self._folders(by, musl=musl):
            yield os.path.join(self.workdir, folder or ".", name)
        if musl:
            return
        if by is not None and by.elf.flags_1 & DF_1_NODEFLIB:
            return
        yield from self._cached(name)
        for folder in DEFAULT_FOLDERS:
            yield f"{folder}/{name}"

    def _folders(self, by: Loaded | None, *, musl: bool) -> Iterator[str]:
        """Yield the folders that come before the cache."""
        if musl:
            yield from self.library_path
            for one in _chain(by):
                yield from (_expand(folder, one) for folder in one.elf.runpath or one.elf.rpath)
            yield from self._musl()
            return
        if by is not None and not by.elf.runpath:
            for one in _chain(by):
                if not one.elf.runpath:
                    yield from (_expand(folder, one) for folder in one.elf.rpath)
        yield from self.library_path
        if by is not None:
            yield from (_expand(folder, by) for folder in by.elf.runpath)

    def _cached(self, name: str) -> list[str]:
        """List what ld.so.cache has under a name."""
        if self._cache is None:
            self.manifest.lstat(CACHE_PATH)
            try:
                with open(CACHE_PATH, "rb") as file:
                    self._cache = parse_cache(file.read())
            except OSError:
                self._cache = {}
        return self._cache.get(name, [])

    def _musl(self) -> list[str]:
        """List musl's default folders."""
        if self._musl_folders is None:
            words = _words("/etc/ld-musl-x86_64.path")
            parts = [part for word in words for part in word.split(":") if part]
            self._musl_folders = parts or list(MUSL_FOLDERS)
        return self._musl_folders


def is_musl(interpreter: str) -> bool:
    """Tell whether a dynamic linker is musl's, by its name."""
    return os.path.basename(interpreter).startswith("ld-musl-")


def parse_cache(data: bytes) -> dict[str, list[str]]:
    """Read ld.so.cache: name -> paths of x86-64 libraries. A cache that makes no sense is empty."""
    start = data.find(CACHE_MAGIC)  # an old-format cache may come before
    if start < 0 or start + CACHE_HEADER.size > len(data):
        return {}
    _, count, _ = CACHE_HEADER.unpack_from(data, start)
    first = start + CACHE_HEADER.size
    found: dict[str, list[str]] = {}
    for index in range(count):
        at = first + index * CACHE_ENTRY.size
        if at + CACHE_ENTRY.size > len(data):
            break
        flags, key, value, _, _ = CACHE_ENTRY.unpack_from(data, at)
        if flags != CACHE_X86_64:
            continue
        name, path = (_string(data, start + offset) for offset in (key, value))
        if name and path:
            found.setdefault(name, []).append(path)
    return found


def _string(data: bytes, offset: int) -> str:
    """Take a terminated string."""
    stop = data.find(b"\0", offset)
    return os.fsdecode(data[offset:stop]) if stop > offset else ""


def _chain(by: Loaded | None) -> Iterator[Loaded]:
    """Yield an object, the one that loaded it, and so on to the program."""
    while by is not None:
        yield by
        by = by.loader


def _expand(text: str, by: Loaded | None) -> str:
    """Replace $ORIGIN, $LIB and $PLATFORM (ld.so(8))."""
    if "$" not in text:
        return text
    origin = os.path.dirname(by.place) if by is not None else "/"
    for name, value in (
        ("ORIGIN", origin),
        ("LIB", "lib/x86_64-linux-gnu"),
        ("PLATFORM", "x86_64"),
    ):
        text = text.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return text


def _words(path: str) -> list[str]:
    """Read a file of words; nothing when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [word for line in file for word in line.partition("#")[0].split()]
    except OSError:
        return []
