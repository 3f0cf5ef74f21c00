"""A manifest: which file of the host (or which bytes) becomes which path of the guest.

Images keep the host's layout: `/usr/bin/python3` is there under that name, and every symbolic
link on the way to it is a symbolic link in the image too, because programs look at their own path
(CPython finds its library from it). `Manifest.add_host` therefore walks a path component by
component as the kernel would (path_resolution(7)) and records each link and directory it meets.

The text form is OSv's (`usr.manifest`), one entry a line:

    /guest/path: host/path          a file, or a directory with all below it
    /guest/path: ->target           a symbolic link
    /guest/dir/**: host/dir/**      a directory with all below it, OSv's spelling
    # a comment; a line `[manifest]` is ignored
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from krait.image.errors import FileVanished, ImageError

_SET_ID = stat.S_ISUID | stat.S_ISGID
_ANY_READ = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
LINKS_MAX = 40  # MAXSYMLINKS, include/linux/namei.h


class Attributes(NamedTuple):
    """What the guest's stat(2) reports of an entry."""

    mode: int  # type and permissions
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    nlink: int = 1
    size: int = 0
    identity: tuple[int, int] | None = None  # (device, inode) on the host, for hard links
    no_set_id: bool = False  # its set-id bits show and do not count: it is on a nosuid mount


class Entry(NamedTuple):
    """One path of the guest. A link has `target`, a regular file `host` or `data`.

    A file with neither is withheld: the user may see that it is there, but not read it.
    """

    attributes: Attributes
    host: str | None = None
    data: bytes | None = None
    target: str | None = None

    @property
    def is_directory(self) -> bool:
        """Whether the entry is a directory."""
        return stat.S_ISDIR(self.attributes.mode)

    @property
    def is_link(self) -> bool:
        """Whether the entry is a symbolic link."""
        return stat.S_ISLNK(self.attributes.mode)

    @property
    def is_file(self) -> bool:
        """Whether the entry is a regular file."""
        return stat.S_ISREG(self.attributes.mode)

    @property
    def is_withheld(self) -> bool:
        """Whether the entry is a file that the user may not read."""
        return self.is_file and self.host is None and self.data is None


def attributes_of(status: os.stat_result) -> Attributes:
    """Keep from a stat what an image stores."""
    return Attributes(
        mode=status.st_mode,
        uid=status.st_uid,
        gid=status.st_gid,
        mtime_ns=status.st_mtime_ns,
        nlink=status.st_nlink,
        size=status.st_size,
        identity=(status.st_dev, status.st_ino) if status.st_nlink > 1 else None,
    )


def is_on_nosuid_mount(path: str) -> bool:
    """Tell whether set-id bits of a host file do not count (mount(8), nosuid)."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_NOSUID)
    except OSError:
        raise FileVanished(path) from None


class Manifest:
    """Guest paths and what they hold; also remembers every host path that was looked at.

    `inputs` maps each host path that decided something to its stat, or to None where there was
    nothing; `listed` names the directories whose contents were taken. A cached image is fresh as
    long as these are unchanged; a directory that was only passed through may change.
    """

    def __init__(self) -> None:
        """Start with nothing, not even a root directory."""
        self.entries: dict[str, Entry] = {}
        self.inputs: dict[str, os.stat_result | None] = {}
        self.listed: set[str] = set()

    def lstat(self, path: str) -> os.stat_result | None:
        """Stat a host path without following a link, once; None when there is nothing."""
        try:
            return self.inputs[path]
        except KeyError:
            pass
        try:
            status: os.stat_result | None = os.lstat(path)
        except (OSError, ValueError):
            status = None
        self.inputs[path] = status
        return status

    def add_host(self, path: str) -> str | None:
        """Add the host's file at `path` under the same path, with links and folders on the way.

        Returns the real path it leads to, or None when there is nothing. A directory is added
        without its contents.
        """
        return self._walk(path, LINKS_MAX)

    def _walk(self, path: str, links_left: int) -> str | None:
        """Resolve an absolute path, adding what is met."""
        if path in self.entries and not self.entries[path].is_link:
            return path
        status = self.lstat("/")
        real = "/"
        if status is not None and "/" not in self.entries:
            self._add_status("/", status)
        components = [part for part in path.split("/") if part not in ("", ".")]
        for index, name in enumerate(components):
            if name == "..":
                real = os.path.dirname(real)
                continue
            here = real + name if real == "/" else f"{real}/{name}"
            known = self.entries.get(here)
            if known is not None and not known.is_link:
                real = here
                continue
            status = self.lstat(here)
            if status is None:
                return None
            if not stat.S_ISLNK(status.st_mode):
                self._add_status(here, status)
                real = here
                continue
            if links_left == 0:
                return None
            target = _target_of(here)
            self.entries[here] = Entry(attributes_of(status), target=target)
            rest = "/".join(components[index + 1 :])
            return self._walk(os.path.join(real, target, rest).rstrip("/") or "/", links_left - 1)
        return real

    def _add_status(self, path: str, status: os.stat_result) -> None:
        """Record a file, directory or device of the host under its own path."""
        mode = status.st_mode
        if stat.S_ISREG(mode):
            self.entries[path] = _file_of_host(path, status)
        elif stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            return  # nobody is at the other end
        else:
            self.entries[path] = Entry(attributes_of(status))

    def add_one(self, path: str) -> None:
        """Add a path whose directory is there already; a link is not followed."""
        status = self.lstat(path)
        if status is None:
            return
        if stat.S_ISLNK(status.st_mode):
            self.entries[path] = Entry(attributes_of(status), target=_target_of(path))
        else:
            self._add_status(path, status)

    def add_tree(
        self,
        path: str,
        *,
        skip_directories: frozenset[str] = frozenset(),
        skip_suffixes: tuple[str, ...] = (),
    ) -> None:
        """Add a host directory with everything below it, leaving out what is named to be skipped.

        Links below it are kept as links; what they lead to is added when it exists.
        """
        real = self.add_host(path)
        if real is None:
            return
        pending = [real]
        while pending:
            directory = pending.pop()
            try:
                found = sorted(os.listdir(directory))
            except OSError:
                continue
            self.lstat(directory)
            self.listed.add(directory)
            for name in found:
                if name.endswith(skip_suffixes) if skip_suffixes else False:
                    continue
                here = directory + name if directory == "/" else f"{directory}/{name}"
                status = self.lstat(here)
                if status is None:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    if name in skip_directories:
                        continue
                    self._add_status(here, status)
                    pending.append(here)
                elif stat.S_ISLNK(status.st_mode):
                    self.add_host(here)
                else:
                    self._add_status(here, status)

    def add_copy(self, host: str, guest: str) -> None:
        """Copy a host file, or a directory with all below it, to another path of the guest."""
        status = os.stat(host)
        self.inputs[host] = os.lstat(host)
        guest = self.place(guest)
        if not stat.S_ISDIR(status.st_mode):
            self.entries[guest] = Entry(_attributes_of_file(host, status), host=host)
            return
        self.entries[guest] = Entry(attributes_of(status))
        self.listed.add(host)
        for name in sorted(os.listdir(host)):
            from_path = os.path.join(host, name)
            to_path = os.path.join(guest, name)
            below = self.lstat(from_path)
            if below is None:
                continue
            if stat.S_ISLNK(below.st_mode):
                target = _target_of(from_path)
                self.entries[to_path] = Entry(attributes_of(below), target=target)
            elif stat.S_ISDIR(below.st_mode):
                try:
                    with contextlib.suppress(PermissionError):  # who may not list it can not there
                        self.add_copy(from_path, to_path)
                except FileNotFoundError:
                    raise FileVanished(from_path) from None
            elif stat.S_ISREG(below.st_mode):
                self.entries[to_path] = _file_of_host(from_path, below)

    def add_data(self, path: str, data: bytes, *, mode: int = 0o644) -> None:
        """Add a file made of `data`."""
        size = len(data)
        self.entries[self.place(path)] = Entry(
            Attributes(stat.S_IFREG | mode, size=size), data=data
        )

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        attributes = Attributes(stat.S_IFLNK | 0o777, size=len(os.fsencode(target)))
        self.entries[self.place(path)] = Entry(attributes, target=target)

    def place(self, path: str) -> str:
        """Make the directory of a guest path; returns the path with that directory's links gone."""
        path = os.path.normpath(path)
        if path == "/":
            return path
        return os.path.join(self.make_directories(os.path.dirname(path)), os.path.basename(path))

    def make_directories(self, path: str, *, mode: int = 0o755) -> str:
        """Make sure that a directory exists: as on the host where there is one, else a new one.

        Returns its path without links.
        """
        real = self.resolve(path) or self.add_host(path)
        if real is not None and real in self.entries and self.entries[real].is_directory:
            return real
        if path == "/":
            self.entries["/"] = Entry(Attributes(stat.S_IFDIR | mode))
            return path
        here = os.path.join(self.make_directories(os.path.dirname(path)), os.path.basename(path))
        if here in self.entries and not self.entries[here].is_directory:
            raise ImageError(f"{here} is needed as a directory, but is a file in the image")
        self.entries[here] = Entry(Attributes(stat.S_IFDIR | mode))
        return here

    def resolve(self, path: str) -> str | None:
        """Follow a guest path through the manifest's own links; None when it leads nowhere."""
        for _ in range(LINKS_MAX):
            real = ""
            components = [part for part in path.split("/") if part not in ("", ".")]
            for index, name in enumerate(components):
                if name == "..":
                    real = os.path.dirname(real) if real else ""
                    real = "" if real == "/" else real
                    continue
                here = f"{real}/{name}"
                entry = self.entries.get(here)
                if entry is None:
                    return None
                if entry.is_link and entry.target is not None:
                    rest = "/".join(components[index + 1 :])
                    path = os.path.join(real or "/", entry.target, rest)
                    break
                real = here
            else:
                real = real or "/"
                return real if real in self.entries else None
        return None

    def set_id_programs(self, *, counting: bool) -> list[str]:
        """List the host's files whose set-id bits count, or do not."""
        return [
            entry.host
            for entry in self.entries.values()
            if entry.host is not None
            and entry.attributes.mode & _SET_ID
            and entry.attributes.no_set_id != counting
            and entry.is_file
        ]

    def files(self) -> Iterator[tuple[str, Entry]]:
        """Yield the regular files, sorted by path."""
        for path in sorted(self.entries):
            if self.entries[path].is_file:
                yield path, self.entries[path]


def _file_of_host(path: str, status: os.stat_result) -> Entry:
    """Take a regular file of the host, without its contents if the user may not read them."""
    everybody = status.st_mode & _ANY_READ == _ANY_READ
    readable = everybody or os.access(path, os.R_OK)
    return Entry(_attributes_of_file(path, status), host=path if readable else None)


def _attributes_of_file(path: str, status: os.stat_result) -> Attributes:
    """Keep what an image stores of a file of the host, and ask the mount where that matters."""
    attributes = attributes_of(status)
    if status.st_mode & _SET_ID and is_on_nosuid_mount(path):
        return attributes._replace(no_set_id=True)
    return attributes


def _target_of(link: str) -> str:
    """Read a symbolic link that was there a moment ago."""
    try:
        return os.readlink(link)
    except OSError:
        raise FileVanished(link) from None


def parse_manifest(text: str, base: str, manifest: Manifest) -> None:
    """Add the entries of a manifest file; host paths are relative to the folder `base`."""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith(("#", "[")):
            continue
        guest, separator, source = line.partition(":")
        guest, source = guest.strip(), source.strip()
        if not separator or not guest.startswith("/") or not source:
            raise ImageError(f"manifest line {number}: expected '/guest/path: host/path': {line}")
        if source.startswith("->"):
            manifest.add_link(guest, source[2:].strip())
            continue
        if source.endswith("/**") != guest.endswith("/**"):
            raise ImageError(f"manifest line {number}: '/**' must end both sides: {line}")
        guest, source = guest.removesuffix("/**") or "/", source.removesuffix("/**")
        host = os.path.normpath(os.path.join(base, source))
        try:
            manifest.add_copy(host, guest)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ImageError(f"manifest line {number}: {host}: {reason}") from None


def format_manifest(manifest: Manifest) -> str:
    """Write a manifest as text; directories are implied by what they hold."""
    return "".join(f"{line}\n" for line in _format_lines(manifest.entries.items()))


def _format_lines(entries: Iterable[tuple[str, Entry]]) -> Iterator[str]:
    """Yield one line an entry, sorted."""
    for path, entry in sorted(entries):
        if entry.is_link:
            yield f"{path}: ->{entry.target}"
        elif entry.host is not None:
            yield f"{path}: {entry.host}"
        elif entry.data is not None:
            yield f"# {path}: {len(entry.data)} bytes made by krait"
        elif entry.is_withheld:
            yield f"# {path}: withheld, since you may not read it"
