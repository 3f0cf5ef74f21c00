"""Images for the worker: made by the builder, loaded page by page."""

from __future__ import annotations

import io
from pathlib import Path

from fs_worker.server import FileSystemWorker
from krait.image.manifest import Attributes, Entry, Manifest
from krait.image.rofs_writer import write_rofs

PAGE = 4096


def image_of(folder: Path, sites: dict[str, list[int]] | None = None) -> bytes:
    """Write an image that has a folder's content at its root."""
    manifest = Manifest()
    manifest.entries["/"] = Entry(Attributes(0o40755))
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            manifest.add_link(f"/{path.name}", str(path.readlink()))
        else:
            manifest.add_copy(str(path), f"/{path.name}")
    output = io.BytesIO()
    write_rofs(manifest, output, sites)
    return output.getvalue()


def load(worker: FileSystemWorker, image: bytes, *, overlaid: bool) -> None:
    """Put an image into frames of the worker and mount it."""
    worker.call("glue_ram:load_image", len(image) // PAGE)
    for index in range(len(image) // PAGE):
        worker.call("glue_ram:set_page", index, image[index * PAGE : (index + 1) * PAGE])
    worker.call("glue_ram:use_image", overlaid)
