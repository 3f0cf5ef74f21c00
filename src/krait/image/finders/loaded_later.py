"""Libraries that glibc and common libraries load with dlopen(3), and the data these read.

The names of imported functions tell which are needed: a program that never calls `iconv_open` has
no use for character-set modules, and one that never ends a thread early none for libgcc_s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from krait.image.elf import Elf
from krait.image.finders.etc_files import add_locale, locale_name
from krait.image.library_search import LibrarySearch

UNWINDS: Final = (b"pthread_exit", b"pthread_cancel", b"backtrace", b"thrd_exit", b"pthread_create")
HOSTS: Final = (b"getaddrinfo", b"gethostbyname")
USERS: Final = (b"getpwnam", b"getpwuid", b"getgrgid", b"getgrnam")
CONVERTS: Final = (b"iconv_open",)
LOCALISED: Final = (b"setlocale", b"newlocale")
SERVICES_FILE: Final = "/etc/nsswitch.conf"
LOCAL_SERVICES: Final = frozenset(
    ("altfiles", "compat", "db", "extrausers", "hesiod", "myhostname", "nis")
)  # the others ask a daemon, which the guest does not have; `files` and `dns` are in libc itself
CONVERTERS: Final = ("iconv", "recode", "uconv", "php", "mutt")
COMMON_CHARACTER_SETS: Final = ("ISO8859-1", "ISO8859-15", "CP1252", "UTF-16", "UTF-32", "UTF-7")


def add_loaded_later(
    programs: Iterable[Elf], search: LibrarySearch, environment: Mapping[str, str]
) -> None:
    """Add what the programs and their libraries will load later; needs their closure."""
    manifest = search.manifest
    programs = list(programs)
    libc = next((place for place in search.loaded if os.path.basename(place) == "libc.so.6"), None)
    own = [
        *programs,
        *(one.elf for place, one in search.loaded.items() if place != libc),
    ]
    if any(elf.mentions(*LOCALISED) for elf in own):
        add_locale(manifest, environment)
    if any(elf.mentions(b"rl_initialize", b"readline") for elf in own):
        manifest.add_host("/etc/inputrc")
    _add_openssl(search)
    if libc is None:
        return
    if any(elf.mentions(*UNWINDS) for elf in own):
        search.add_named("libgcc_s.so.1")
    if any(elf.mentions(*HOSTS, *USERS) for elf in own):
        _add_name_services(search)
    if any(elf.mentions(*CONVERTS) for elf in own):
        everything = any(os.path.basename(elf.path) in CONVERTERS for elf in programs)
        _add_converters(search, os.path.dirname(libc), environment, everything=everything)


def _add_name_services(search: LibrarySearch) -> None:
    """Add libnss_*.so.2 for the services that nsswitch.conf(5) names and that work alone."""
    try:
        with open(SERVICES_FILE, encoding="utf-8", errors="replace") as file:
            lines = [line.partition("#")[0] for line in file]
    except OSError:
        return
    words = {word for line in lines for word in line.partition(":")[2].split()}
    for service in sorted(words & LOCAL_SERVICES):
        search.add_named(f"libnss_{service}.so.2")


def _add_converters(
    search: LibrarySearch, folder: str, environment: Mapping[str, str], *, everything: bool
) -> None:
    """Add gconv modules: all for a converter or for another character set, else common ones."""
    codeset = locale_name(environment).partition(".")[2].lower().replace("-", "")
    gconv = os.path.join(folder, "gconv")
    if everything or codeset not in ("", "utf8"):
        search.manifest.add_tree(gconv)
        return
    for name in ("gconv-modules", "gconv-modules.cache"):
        search.manifest.add_host(f"{gconv}/{name}")
    for name in COMMON_CHARACTER_SETS:
        search.add_library(f"{gconv}/{name}.so")


def _add_openssl(search: LibrarySearch) -> None:
    """Add the configuration that libcrypto reads when it starts, and the trusted certificates."""
    places = [place for place in search.loaded if "/libcrypto.so" in place]
    if not places:
        return
    manifest = search.manifest
    for path in ("/usr/lib/ssl", "/etc/ssl", "/etc/pki/tls"):
        for name in ("openssl.cnf", "certs", "cert.pem"):
            manifest.add_host(f"{path}/{name}")
    for path in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        manifest.add_host(path)
    for place in places:
        modules = os.path.join(os.path.dirname(place), "ossl-modules")
        if os.path.isdir(modules):
            manifest.add_tree(modules)
