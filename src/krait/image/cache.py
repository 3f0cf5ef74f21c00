"""The user's cache: images by the address of their contents, records of runs, HLT sites by file.

    ~/.cache/krait/images/DIGEST.rofs     an image; DIGEST covers the manifest and each file's stat
    ~/.cache/krait/records/KEY            what a run was made from (`krait.image.fast_path`)
    ~/.cache/krait/hlt/DIGEST             HLT sites of one ELF file
    ~/.cache/krait/lock                   held while an image is built

A file appears under its name only when it is complete (rename), so an interrupted build leaves
nothing that a later one would take for an image.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from typing import Final

from krait.image.closure import Closure
from krait.image.elf import read_elf
from krait.image.errors import FileVanished, ImageError
from krait.image.fast_path import PreparedImage, Request, write_record
from krait.image.manifest import Entry, Manifest

IMAGES_SIZE_MAX: Final = 8 << 30
RECORDS_MAX: Final = 2000
FORMAT: Final = "rofs 3, sites 4"


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the cache's lock: builds of two processes do not do the same work at once."""
    try:
        os.makedirs(folder, exist_ok=True)
        descriptor = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def store(request: Request, closure: Closure) -> PreparedImage:
    """Write the image of a closure, unless one with the same contents is there, and a record."""
    folder = request.cache_folder
    path = os.path.join(folder, "images", f"{_address(closure)}.rofs")
    try:
        if not os.path.exists(path):
            _write_image(path, closure, folder)
        image = _describe(request, closure, path)
        _record(request, closure, image)
        prune(folder, keep=path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not _is_below(folder, error.filename):
            raise FileVanished(str(error.filename)) from None
        raise _unusable(folder, error) from None
    return image


def clean(folder: str) -> int:
    """Remove every image, record and site list; returns the bytes freed."""
    freed = 0
    for kind in ("images", "records", "hlt"):
        for path in _files(os.path.join(folder, kind)):
            freed += _remove(path)
    return freed


def prune(folder: str, keep: str) -> None:
    """Remove the images and records that were used longest ago, beyond the cache's size."""
    images = sorted(_files(os.path.join(folder, "images")), key=_used_at, reverse=True)
    total = 0
    for path in images:
        total += os.stat(path).st_size
        if total > IMAGES_SIZE_MAX and path != keep:
            _remove(path)
    records = sorted(_files(os.path.join(folder, "records")), key=_used_at, reverse=True)
    for path in records[RECORDS_MAX:]:
        _remove(path)


def _address(closure: Closure) -> str:
    """Digest the manifest: paths, attributes, and for each host file what identifies its state."""
    manifest = closure.manifest
    digest = hashlib.sha256(FORMAT.encode())
    for path in sorted(manifest.entries):
        entry = manifest.entries[path]
        described = (path, *_described(path, entry, manifest))
        digest.update(repr(described).encode("utf-8", "surrogateescape"))
    digest.update(repr(closure.hlt_candidates).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


def _described(path: str, entry: Entry, manifest: Manifest) -> tuple[object, ...]:
    """List what an entry contributes to the address."""
    attributes = entry.attributes
    if entry.is_directory and path not in manifest.listed:
        # A directory that was only passed through: its time changes for other reasons.
        return (attributes.mode, attributes.uid, attributes.gid)
    changed = 0
    if entry.host is not None:
        status = manifest.inputs.get(entry.host) or os.lstat(entry.host)
        changed = status.st_ctime_ns
    return (attributes, entry.data, entry.target, entry.host, changed)


def _write_image(path: str, closure: Closure, folder: str) -> None:
    """Write an image beside its place and move it there."""
    # The writer imports the kernel's layout and a checksum library: only a build pays for them.
    from krait.image.rofs_writer import write_rofs

    os.makedirs(os.path.dirname(path), exist_ok=True)
    sites = {}
    for candidate in closure.hlt_candidates:
        if candidate in closure.manifest.entries:
            sites[candidate] = _hlt_sites(candidate, folder)
    descriptor, temporary = tempfile.mkstemp(prefix=".making-", dir=os.path.dirname(path))
    try:
        with os.fdopen(descriptor, "wb") as output:
            write_rofs(closure.manifest, output, sites)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _hlt_sites(path: str, folder: str) -> list[int]:
    """Return a file's HLT sites, from the cache when the file has not changed."""
    status = os.stat(path)
    key = repr((FORMAT, path, status.st_ctime_ns, status.st_size, status.st_ino))
    name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    stored = os.path.join(folder, "hlt", name)
    try:
        with open(stored, encoding="ascii") as file:
            found = json.load(file)
            if isinstance(found, list) and all(isinstance(site, int) for site in found):
                return found
    except (OSError, ValueError):
        pass
    from krait.image.hlt_sites import find_hlt_sites

    sites = find_hlt_sites(path, read_elf(path))
    os.makedirs(os.path.dirname(stored), exist_ok=True)
    temporary = f"{stored}.{os.getpid()}"
    with open(temporary, "w", encoding="ascii") as file:
        json.dump(sites, file)
    os.replace(temporary, stored)
    return sites


def _describe(request: Request, closure: Closure, path: str) -> PreparedImage:
    """Say what was prepared."""
    return PreparedImage(
        path=path,
        size=os.stat(path).st_size,
        program_guest_path=closure.program.path,
        argv=closure.program.argv,
        cwd=request.workdir,
        environment_changes=closure.program.environment,
        notes=closure.notes,
        least_memory=closure.least_memory,
        from_cache=False,
    )


def _record(request: Request, closure: Closure, image: PreparedImage) -> None:
    """Write the record of a build: what was there, with its stamps, and what was not."""
    manifest = closure.manifest
    present: list[str] = []
    stamps: list[int] = []
    absent: list[str] = []
    for path, status in manifest.inputs.items():
        if status is None:
            absent.append(path)
        elif not _is_passed_through(path, manifest):
            present.append(path)
            stamps += (status.st_ctime_ns, status.st_size)
    count = len(request.arguments)
    argv_head = image.argv[: len(image.argv) - count]
    write_record(
        request,
        image,
        argv_head=argv_head,
        present=present,
        stamps=stamps,
        absent=absent,
        no_set_id=manifest.set_id_programs(counting=False),
        set_id=manifest.set_id_programs(counting=True),
    )


def _is_passed_through(path: str, manifest: Manifest) -> bool:
    """Tell whether a path is a directory whose contents do not matter."""
    status = manifest.inputs[path]
    return (
        status is not None
        and status.st_mode & 0o170000 == 0o040000
        and (path not in manifest.listed)
    )


def _files(folder: str) -> list[str]:
    """List the files of a cache folder."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def _used_at(path: str) -> float:
    """Tell when a file was last used, as well as the mount options let us know."""
    try:
        status = os.stat(path)
    except OSError:
        return 0
    return max(status.st_atime, status.st_mtime)


def _remove(path: str) -> int:
    """Remove a file; returns its size."""
    try:
        size = os.stat(path).st_size
        os.unlink(path)
    except OSError:
        return 0
    return size


def _is_below(folder: str, path: object) -> bool:
    """Tell whether the file that an error names is the cache's own."""
    return not isinstance(path, str) or path.startswith(f"{folder}/")


def _unusable(folder: str, error: OSError) -> ImageError:
    """Say why the cache cannot be written, and the remedy."""
    if error.errno == errno.ENOSPC:
        return ImageError(f"{folder}: no space left; `krait clean` frees what old images take")
    reason = (error.strerror or str(error)).lower()
    return ImageError(f"{folder}: {reason}; set XDG_CACHE_HOME to a folder you may write to")
