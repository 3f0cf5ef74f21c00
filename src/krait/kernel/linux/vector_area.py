"""Memory for the vector registers of a task, as much as this CPU's XSAVE writes.

Areas must be aligned to 64 bytes, which the kernel heap does not promise, and are smaller than a
frame: 832 bytes with AVX, 2696 with AVX-512. So a frame is cut into as many equal parts as fit, and
its last 64 bytes say which are in use. Frames with a free part are linked.

Invariant of the unsafe part: an area belongs to its task until it is released; `slots` is the
number that `areas_in_frame` gave, which never changes after the CPU was asked.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64 import context
from krait.kernel.arch.x86_64.direct_map import physical, virtual
from krait.kernel.errno import ENOMEM
from krait.kernel.lang import Errno, Struct, at, u64
from krait.kernel.mm import frames

unsafe: Final = True

PAGE_SIZE: Final = 4096
HEAD_SIZE: Final = 64
ALIGNMENT: Final = 64


class AreaHead(Struct):
    """At the end of each frame."""

    used: u64
    """A bit for each area in use."""
    next: u64
    previous: u64


class AreaFrames(Struct):
    """The frames that have room."""

    first: u64 = 0


area_frames = AreaFrames()


def areas_in_frame() -> u64:
    """Give how many areas a frame holds; 0 if not even one."""
    size = (context.vector_area_size() + (ALIGNMENT - 1)) & ~u64(ALIGNMENT - 1)
    return (PAGE_SIZE - HEAD_SIZE) // size


def area_stride(count: u64) -> u64:
    """Give the distance of areas, of which there are `count` in a frame."""
    return ((PAGE_SIZE - HEAD_SIZE) // count) & ~u64(ALIGNMENT - 1)


def head_of(frame: u64) -> AreaHead:
    """Find the head of a frame by its address."""
    return at(AreaHead, frame + PAGE_SIZE - HEAD_SIZE)


def allocate_vector_area() -> u64:
    """Give an area with the state that a program starts with; raises ENOMEM."""
    count = areas_in_frame()
    if count == 0:
        raise Errno(ENOMEM)
    frame = area_frames.first
    if frame == 0:
        frame = virtual(u64(frames.allocate_zeroed()))
        link(frame)
    head = head_of(frame)
    number: u64 = 0
    while head.used & (u64(1) << number) != 0:
        number += 1
    head.used |= u64(1) << number
    if head.used == (u64(1) << count) - 1:
        unlink(frame)
    area = frame + number * area_stride(count)
    context.initialize_vector(area)
    return area


def release_vector_area(area: u64) -> None:
    """Take an area back."""
    count = areas_in_frame()
    frame = area & ~u64(PAGE_SIZE - 1)
    head = head_of(frame)
    if head.used == (u64(1) << count) - 1:
        link(frame)
    head.used &= ~(u64(1) << ((area - frame) // area_stride(count)))
    if head.used == 0:
        unlink(frame)
        frames.release(frames.Frame(physical(frame)))


def link(frame: u64) -> None:
    """Put a frame with room in front of the others."""
    following = area_frames.first
    head_of(frame).next = following
    head_of(frame).previous = 0
    if following != 0:
        head_of(following).previous = frame
    area_frames.first = frame


def unlink(frame: u64) -> None:
    """Take a frame out of those with room."""
    head = head_of(frame)
    if head.previous != 0:
        head_of(head.previous).next = head.next
    else:
        area_frames.first = head.next
    if head.next != 0:
        head_of(head.next).previous = head.previous
