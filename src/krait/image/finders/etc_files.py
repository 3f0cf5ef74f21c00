"""The files that a C library reads by itself: users, names, services, time zone, locale, terminal.

Each is small, absent ones are skipped, and all are taken from the host, so that `id`, `date` or
`getent` answer in the guest as they do outside. Secrets (`/etc/shadow`, private keys) are not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from krait.image.manifest import Manifest

DATABASES: Final = (
    *("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"),
    *("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/protocols", "/etc/services"),
    *("/etc/localtime", "/etc/timezone", "/etc/os-release", "/etc/debian_version"),
)
TERMINFO_FOLDERS: Final = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo")  # terminfo(5)
ZONEINFO: Final = "/usr/share/zoneinfo"
LOCALES: Final = "/usr/lib/locale"
LOCALE_ARCHIVE_MAX: Final = 32 << 20  # a host with every locale has 200 MB of them
MERGED: Final = ("/bin", "/sbin", "/lib", "/lib64")  # links into /usr on merged systems
STANDARD_FOLDERS: Final = (
    *("/tmp", "/dev", "/proc", "/sys", "/root", "/etc", "/var/tmp", "/run", "/home/user"),
    "/usr/bin",
)
STICKY: Final = ("/tmp", "/var/tmp")


def add_folders(manifest: Manifest, environment: Mapping[str, str]) -> None:
    """Add the directories that every Linux system has, and the home.

    The working directory is not among them: the kernel makes it where it is missing, so that one
    image serves runs from every directory.
    """
    for path in MERGED:
        manifest.add_host(path)
    for path in STANDARD_FOLDERS:
        manifest.make_directories(path, mode=0o1777 if path in STICKY else 0o755)
    home = environment.get("HOME", "/")
    if home.startswith("/"):
        manifest.make_directories(home)


def add_databases(manifest: Manifest, environment: Mapping[str, str]) -> None:
    """Add the databases, the time zone and the description of the terminal."""
    for path in DATABASES:
        manifest.add_host(path)
    zone = environment.get("TZ", "").removeprefix(":")
    if zone and ".." not in zone:
        manifest.add_host(os.path.join(ZONEINFO, zone))
    terminal = environment.get("TERM", "")
    if terminal and "/" not in terminal:
        folders = [environment["TERMINFO"]] if "TERMINFO" in environment else []
        for folder in [*folders, *TERMINFO_FOLDERS]:
            if manifest.add_host(f"{folder}/{terminal[0]}/{terminal}") is not None:
                break


def locale_name(environment: Mapping[str, str]) -> str:
    """Return the locale for characters: LC_ALL, LC_CTYPE, LANG, in this order (locale(7))."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        if environment.get(name):
            return environment[name]
    return "C"


def add_locale(manifest: Manifest, environment: Mapping[str, str]) -> None:
    """Add the locale's files: a folder under /usr/lib/locale, else the archive of all."""
    names = {locale_name(environment)} | {
        value for name, value in environment.items() if name == "LANG" or name.startswith("LC_")
    }
    for name in sorted(names - {"C", "POSIX", ""}):
        if "/" in name:
            continue
        language, _, codeset = name.partition(".")
        plain = codeset.lower().replace("-", "")  # glibc's normalised form
        for folder in (f"{language}.{codeset}", f"{language}.{plain}", language):
            path = f"{LOCALES}/{folder}"
            if os.path.isdir(path):
                manifest.add_tree(path)
                break
        else:
            archive = manifest.lstat(f"{LOCALES}/locale-archive")
            if archive is not None and archive.st_size <= LOCALE_ARCHIVE_MAX:
                manifest.add_host(f"{LOCALES}/locale-archive")
            manifest.add_host("/usr/share/locale/locale.alias")
