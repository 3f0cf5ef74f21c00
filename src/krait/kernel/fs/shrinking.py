"""Giving memory back: names and files that can be looked up again.

Dentries go first, since they hold the vnodes. Objects share pages with others of their size, so how
many pages come free is not known here; any progress makes the allocator try again.
"""

from __future__ import annotations

from krait.kernel.fs.dentry import dentries
from krait.kernel.fs.overlay.file_system import OverlayFileSystem
from krait.kernel.lang import Struct, u64
from krait.kernel.mm import shrinker

OBJECTS_PER_PAGE = u64(16)


class Shrinking(Struct):
    """The overlay that is shrunk."""

    overlay: OverlayFileSystem | None = None


shrinking = Shrinking()


def start(overlay: OverlayFileSystem) -> None:
    """Offer names and files to the page allocator."""
    shrinking.overlay = overlay
    shrinker.register(shrink_names)


def shrink_names(wanted: u64) -> u64:
    """Drop what a number of pages may hold; return an estimate of the pages that came free."""
    objects = wanted * OBJECTS_PER_PAGE
    dropped = dentries.shrink(objects)
    overlay = shrinking.overlay
    if overlay is not None:
        dropped += overlay.shrink(objects)
    return (dropped + OBJECTS_PER_PAGE - 1) // OBJECTS_PER_PAGE
