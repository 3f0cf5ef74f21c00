"""The front door of the image builder: a program goes in, an image that is ready to boot comes out.

Only the fast path is imported until it has found nothing, because a cached run pays for imports.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from krait.image.fast_path import PreparedImage, Request, find_prepared

ATTEMPTS = 3
"""How often an image is begun: in a folder such as /tmp others may be removing their files."""


def prepare_image(
    program: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    volumes: Sequence[str | tuple[str, str]] = (),
    workdir: str | None = None,
    extra_manifests: Sequence[str] = (),
    extra_files: Sequence[str] = (),
    finder: str | None = None,
    trace: str | None = None,
    cache_folder: str | None = None,
    announce: Callable[[str], None] | None = None,
) -> PreparedImage:
    """Return the image in which `program arguments…` runs as on the host; raises ImageError.

    `environment` is the program's (its PATH is searched), the caller's own by default. `volumes`
    are (host, guest) paths, or `HOST:GUEST`, that are copied. `workdir` is the program's working
    directory. `extra_files` are host paths to add, `finder` is the language of a program whose
    name does not tell, `trace` a file that `krait.image.tracing` wrote. `announce` is told when an
    image has to be made.
    """
    request = Request(
        program,
        arguments,
        os.environ if environment is None else environment,
        volumes=volumes,
        workdir=workdir,
        extra_manifests=extra_manifests,
        extra_files=extra_files,
        finder=finder,
        trace=trace,
        cache_folder=cache_folder,
    )
    prepared = find_prepared(request)
    if prepared is not None:
        return prepared
    return _build(request, announce)


def _build(request: Request, announce: Callable[[str], None] | None) -> PreparedImage:
    """Build an image under the cache's lock, unless another process has just done so."""
    from krait.image import cache
    from krait.image.closure import build_closure
    from krait.image.errors import FileVanished

    with cache.locked(request.cache_folder):
        prepared = find_prepared(request)
        if prepared is not None:
            return prepared
        for _ in range(ATTEMPTS):
            try:
                closure = build_closure(request)
                if announce is not None:
                    files = sum(1 for _ in closure.manifest.files())
                    announce(f"making an image of {_program_name(request)}: {files} files")
                return cache.store(request, closure)
            except FileNotFoundError as error:
                failure = FileVanished(str(error.filename))
            except FileVanished as error:
                failure = error
            announce = None  # it has been said
        raise failure


def _program_name(request: Request) -> str:
    """Name a program for a message."""
    return os.path.basename(request.program) or request.program
