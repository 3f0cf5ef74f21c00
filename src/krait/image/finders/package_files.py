"""The files that a program's Debian package brings along, and its sibling packages.

An interpreter seldom works alone: it reads its library from a folder that does not carry its name.
dpkg's database says whose file a program is (dpkg-query(1), FILES). From there on every package is
taken that the program's needs (Depends, Pre-Depends, Recommends) and that is made from the same
source; what else is needed are shared libraries, and those are found as such. Languages that have
a finder of their own are not looked up: they know better what a program uses.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Final, NamedTuple

from krait.image.finders.own_data import SERVED, TOO_LARGE
from krait.image.manifest import Manifest

DATABASE: Final = "/var/lib/dpkg"
PACKAGED: Final = ("/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/opt/")
LOCAL: Final = "/usr/local/"
FILES_MAX: Final = 4000
BYTES_MAX: Final = 128 << 20
TAKEN: Final = re.compile(r"(?:/usr)?/lib(?:64)?/|/usr/(?:share|libexec)/|/etc/|/opt/")
"""Where a program's own files are; commands are found by their names."""
PRIVATE: Final = re.compile(
    r"(?:/usr)?/lib/(?:[^/]+-linux-[^/]+/)?[^/]+/|/usr/(?:share|libexec)/[^/]+/"
)
"""The folders which a package may have for itself: files made when it was installed are there."""
LEFT: Final = re.compile(
    r"""(?x) /usr/share/(?:doc|man|info|locale|lintian|bug|menu|applications|icons|pixmaps|doc-base
        |metainfo|mime-info|mime|bash-completion|zsh|gdb|fish|help|appdata|reportbug)/
    | (?:/usr)?/lib/(?:systemd|tmpfiles\.d|sysusers\.d|udev|modprobe\.d|debug|mime|valgrind)/
    | /etc/(?:init\.d|cron\..*|logrotate\.d|apparmor\.d|default|apt|bash_completion\.d|systemd)/
    | .*/(?:include|pkgconfig|cmake)/
    """
)
"""What nobody reads who only runs the program."""
NOT_FOR_RUNNING: Final = ("-dev", "-doc", "-dbg", "-dbgsym", "-src", "-source", "-examples")
NEEDS: Final = ("Depends", "Pre-Depends", "Recommends")


class Package(NamedTuple):
    """An installed package: what it is made from, and the names of those it needs."""

    source: str
    needs: tuple[str, ...]


def add_package_files(
    path: str, manifest: Manifest, notes: list[str], add_libraries: Callable[[str], None]
) -> None:
    """Add what the packages of a program hold for it; where that is too much, it is only noted.

    `add_libraries` is called with each file that may be one of ELF, for what it needs.
    """
    real = os.path.realpath(path)
    name = os.path.basename(path)
    if not name or name.startswith(SERVED) or os.path.basename(real).startswith(SERVED):
        return
    if not real.startswith(PACKAGED) or real.startswith(LOCAL):
        return
    lists = _lists(DATABASE)
    owner = next((each for each, text in lists.items() if _names(text, real)), None)
    if owner is None:
        return
    packages = _installed(DATABASE)
    owner_name = owner.partition(":")[0]
    family = _family(owner_name, packages)
    needed = _needed(owner_name, packages, family)
    own = {each: text for each, text in lists.items() if each.partition(":")[0] in needed}
    others = [text for each, text in lists.items() if each.partition(":")[0] not in family]
    files = _files_of(own, others)
    if not _fit(files):
        notes.append(f"what belongs to {name} (of Debian's package {owner}){TOO_LARGE}")
        return
    for each in own:
        manifest.lstat(f"{DATABASE}/info/{each}.list")  # another version has other files
    for file in files:
        manifest.add_host(file)
        if _may_be_elf(file):
            add_libraries(file)


@cache
def _lists(database: str) -> dict[str, bytes]:
    """Read the lists of files of all packages, by their names; a script may name many programs."""
    lists: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"{database}/info"):
            if entry.name.endswith(".list"):
                with open(entry.path, "rb") as file:
                    lists[entry.name.removesuffix(".list")] = file.read()
    return lists


def _names(text: bytes, path: str) -> bool:
    """Tell whether a list has a path; lists were made before /bin was /usr/bin."""
    if f"\n{path}\n".encode() in text:
        return True
    old = path.removeprefix("/usr")
    return old.startswith(PACKAGED) and f"\n{old}\n".encode() in text


def _family(owner: str, packages: Mapping[str, Package]) -> set[str]:
    """Give the packages that are made from the same source as one."""
    if owner not in packages:
        return {owner}
    source = packages[owner].source
    return {name for name, package in packages.items() if package.source == source}


def _needed(owner: str, packages: Mapping[str, Package], family: set[str]) -> set[str]:
    """Give those of a family that one of them needs to run, and that these need."""
    needed: set[str] = set()
    pending = [owner]
    while pending:
        name = pending.pop()
        if name in family and name not in needed and not name.endswith(NOT_FOR_RUNNING):
            needed.add(name)
            if name in packages:
                pending += packages[name].needs
    return needed


@cache
def _installed(database: str) -> dict[str, Package]:
    """Read the database of packages (deb-control(5))."""
    try:
        with open(f"{database}/status", encoding="utf-8", errors="replace") as file:
            paragraphs = file.read().split("\n\n")
    except OSError:
        return {}
    packages: dict[str, Package] = {}
    for paragraph in paragraphs:
        fields: dict[str, str] = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", paragraph, re.MULTILINE))
        if "Package" not in fields or not fields.get("Status", "").endswith(" installed"):
            continue
        name = fields["Package"]
        source = fields.get("Source", name).partition(" ")[0]
        needs = re.findall(r"(?:^|[,|])\s*([\w.+-]+)", ", ".join(fields.get(n, "") for n in NEEDS))
        packages[name] = Package(source, tuple(needs))
    return packages


def _files_of(own: Mapping[str, bytes], others: list[bytes]) -> list[str]:
    """Give the files of packages that their programs may read, listed or made by installing."""
    listed = [
        line for text in own.values() for line in text.decode(errors="surrogateescape").split("\n")
    ]
    files = {path: None for path in listed if TAKEN.match(path) and not LEFT.match(path)}
    for folder in dict.fromkeys(each[0] for each in map(PRIVATE.match, files) if each is not None):
        if not any(b"\n" + os.fsencode(folder) in text for text in others):
            for directory, folders, names in os.walk(folder.rstrip("/")):
                files.update(dict.fromkeys(f"{directory}/{name}" for name in [*folders, *names]))
    return [path for path in files if not LEFT.match(path) and not _is_folder(path)]


def _may_be_elf(path: str) -> bool:
    """Tell whether a file may be a program or a library."""
    return os.path.isfile(path) and (os.access(path, os.X_OK) or ".so" in os.path.basename(path))


def _is_folder(path: str) -> bool:
    """Tell whether a path is a directory itself, and no link to one."""
    return os.path.isdir(path) and not os.path.islink(path)


def _fit(files: Iterable[str]) -> bool:
    """Tell whether files are few and small enough to be copied for a program that may use them."""
    count = size = 0
    for path in files:
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            count += 1
            size += status.st_size
    return count <= FILES_MAX and size <= BYTES_MAX
