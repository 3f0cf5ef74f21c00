"""Files by path, in a ramfs or an overlay above an image, as functions of numbers and bytes."""

from __future__ import annotations

from krait.kernel.errno import EINVAL, ENOENT
from krait.kernel.fs.dentry import Dentry, dentries, make_root
from krait.kernel.fs.file import File
from krait.kernel.fs.fs_context import FsContext
from krait.kernel.fs.names import (
    link_at,
    make_directory_at,
    remove_directory_at,
    symlink_at,
    unlink_at,
)
from krait.kernel.fs.open_flags import OpenFlags, RenameFlags
from krait.kernel.fs.opening import open_at
from krait.kernel.fs.overlay.directory import make_overlay_root
from krait.kernel.fs.overlay.file_system import OverlayFileSystem, make_overlay_file_system
from krait.kernel.fs.path import WalkFlags, path_of, walk
from krait.kernel.fs.ramfs.directory import make_ram_directory
from krait.kernel.fs.ramfs.file_system import make_ram_file_system
from krait.kernel.fs.renaming import rename_at
from krait.kernel.fs.rofs.damage import damage
from krait.kernel.fs.rofs.image import mount_image
from krait.kernel.fs.rofs.source import ImageSource
from krait.kernel.fs.rofs.vnode import root_of
from krait.kernel.fs.vnode import PAGE_SIZE
from krait.kernel.fs.zeros import zeros
from krait.kernel.lang import (
    Array,
    Buffer,
    Errno,
    Slice,
    Struct,
    UserSlice,
    i64,
    inline,
    u8,
    u32,
    u64,
)
from krait.kernel.mm import frames
from krait.kernel.mm.frames import Frame


class World(Struct):
    """What the tests work on."""

    context: FsContext | None = None
    file: File | None = None
    image: Buffer[u64] | None = None
    overlay: OverlayFileSystem | None = None
    reason: Array[u8] = inline(512)
    reason_length: u64 = 0


world = World()


class TestSource(ImageSource):
    """An image in frames of its own."""

    first: Buffer[u64]

    def page(self, index: u64) -> Frame:
        frame = Frame(self.first[index])
        frames.retain(frame)
        return frame


def use_ram() -> None:
    store = make_ram_file_system()
    top = make_root(make_ram_directory(store, u32(0o755)))
    world.context = FsContext(root=top, cwd=top)


def load_image(pages: u64) -> None:
    list_of_frames = Buffer[u64](length=pages)
    for index in range(pages):
        list_of_frames[index] = u64(frames.allocate_zeroed())
    world.image = list_of_frames


def set_page(index: u64, data: Slice[u8]) -> None:
    image = world.image
    if image is not None:
        frames.bytes_of(Frame(image[index])).copy_from(data)


def note_damage(reason: Slice[u8]) -> None:
    count = min(reason.length, u64(512))
    world.reason.part(u64(0), count).copy_from(reason.part(u64(0), count))
    world.reason_length = count


def damage_text(into: Slice[u8]) -> u64:
    into.copy_from(world.reason)
    return world.reason_length


def use_image(overlaid: bool) -> None:
    list_of_frames = world.image
    if list_of_frames is None:
        raise Errno(EINVAL)
    damage.handler = note_damage
    world.reason_length = 0
    image = mount_image(TestSource(first=list_of_frames, page_count=list_of_frames.length))
    lower = root_of(image)
    if overlaid:
        overlay = make_overlay_file_system(image.inode_count, image.page_count)
        world.overlay = overlay
        top = make_root(make_overlay_root(overlay, lower))
    else:
        top = make_root(lower)
    world.context = FsContext(root=top, cwd=top)


def drop() -> None:
    world.file = None
    world.context = None
    if (buckets := dentries.buckets) is not None:
        for index in range(buckets.length):
            entry = buckets[index]
            buckets[index] = None
            while entry is not None:
                follower = entry.next_in_bucket
                entry.next_in_bucket = None
                entry = follower
    dentries.buckets = None
    dentries.count = 0
    dentries.mask = 0
    dentries.orphans = 0
    dentries.orphans_kept = 0
    if (overlay := world.overlay) is not None:
        for index in range(overlay.known.length):
            overlay.known[index] = None
    world.overlay = None
    if (image := world.image) is not None:
        for index in range(image.length):
            frames.release(Frame(image[index]))
    world.image = None


def frames_used() -> u64:
    shared = u64(1) if zeros.address != 0 else u64(0)
    return frames.store.used - shared


def limit_frames(limit: u64) -> None:
    frames.store.limit = limit


def dentry_count() -> u64:
    return dentries.count


def shrink_dentries(wanted: u64) -> u64:
    return dentries.shrink(wanted)


def shrink_overlay(wanted: u64) -> u64:
    overlay = world.overlay
    return u64(0) if overlay is None else overlay.shrink(wanted)


def here() -> FsContext:
    context = world.context
    if context is None:
        raise Errno(EINVAL)
    return context


def open_path(path: Slice[u8], flags: u32, mode: u32) -> None:
    context = here()
    world.file = open_at(context, context.cwd, path, OpenFlags(flags), mode)


def the_file() -> File:
    file = world.file
    if file is None:
        raise Errno(EINVAL)
    return file


def close() -> None:
    world.file = None


def read(into: UserSlice[u8]) -> u64:
    return the_file().read(into)


def write(data: UserSlice[u8]) -> u64:
    return the_file().write(data)


def read_at(offset: u64, into: UserSlice[u8]) -> u64:
    return the_file().read_at(offset, into)


def write_at(offset: u64, data: UserSlice[u8]) -> u64:
    return the_file().write_at(offset, data)


def seek(offset: i64, whence: u32) -> u64:
    return the_file().seek(offset, whence)


def truncate(size: u64) -> None:
    the_file().truncate(size)


def allocate_range(offset: u64, length: u64, keep_size: bool) -> None:
    vnode = the_file().vnode
    if vnode is not None:
        vnode.allocate_range(offset, length, keep_size)


def punch_hole(offset: u64, length: u64) -> None:
    vnode = the_file().vnode
    if vnode is not None:
        vnode.punch_hole(offset, length)


def next_entry(name: Slice[u8]) -> u64:
    file = the_file()
    entry = file.next_entry(name)
    if entry.name_length != 0:
        file.offset = entry.next
    return entry.name_length


def find(path: Slice[u8], follow: bool) -> Dentry:
    context = here()
    flags = WalkFlags.FOLLOW if follow else WalkFlags(u32(0))
    return walk(context, context.cwd, path, flags)


def attribute(path: Slice[u8], follow: bool, which: u32) -> u64:
    vnode = find(path, follow).present()
    match which:
        case 0:
            return u64(vnode.mode)
        case 1:
            return vnode.size
        case 2:
            return u64(vnode.nlink)
        case 3:
            return vnode.ino
        case 4:
            return vnode.blocks()
        case _:
            raise Errno(ENOENT)


def path_back(path: Slice[u8], into: Slice[u8]) -> u64:
    return path_of(find(path, True), here().root, into)


def read_link(path: Slice[u8], into: Slice[u8]) -> u64:
    return find(path, False).present().read_link(into)


def change_directory(path: Slice[u8]) -> None:
    here().cwd = find(path, True)


def make_directory(path: Slice[u8], mode: u32) -> None:
    context = here()
    make_directory_at(context, context.cwd, path, mode)


def symlink(target: Slice[u8], path: Slice[u8]) -> None:
    context = here()
    symlink_at(context, target, context.cwd, path)


def link(old: Slice[u8], new: Slice[u8]) -> None:
    context = here()
    link_at(context, find(old, False), context.cwd, new)


def unlink(path: Slice[u8]) -> None:
    context = here()
    unlink_at(context, context.cwd, path)


def remove_directory(path: Slice[u8]) -> None:
    context = here()
    remove_directory_at(context, context.cwd, path)


def rename(old: Slice[u8], new: Slice[u8], flags: u32) -> None:
    context = here()
    rename_at(context, context.cwd, old, context.cwd, new, RenameFlags(flags))


def next_halt(path: Slice[u8], offset: u64) -> u64:
    return find(path, True).present().next_halt(offset)


def map_page(path: Slice[u8], index: u64, write: bool, into: Slice[u8]) -> None:
    vnode = find(path, True).present()
    frame = vnode.page_for_write(index) if write else vnode.page(index)
    into.copy_from(frames.bytes_of(frame).part(u64(0), u64(PAGE_SIZE)))
    frames.release(frame)
