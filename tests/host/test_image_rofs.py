"""ROFS images: what is written is read back, and no damaged byte goes unnoticed."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from krait.image import rofs_writer
from krait.image.checksum import checksum
from krait.image.errors import ImageError
from krait.image.listing import list_image
from krait.image.manifest import Attributes, Entry, Manifest
from krait.image.rofs_reader import RofsReader
from krait.image.rofs_writer import name_hash, write_rofs
from krait.kernel.fs.rofs import layout
from krait.kernel.lang import offset_of, size_of, text

PAGE = layout.PAGE_SIZE


def written(manifest: Manifest, sites: dict[str, list[int]] | None = None) -> bytes:
    output = io.BytesIO()
    summary = write_rofs(manifest, output, sites)
    assert summary.size == len(output.getvalue())
    return output.getvalue()


def empty() -> Manifest:
    manifest = Manifest()
    manifest.entries["/"] = Entry(Attributes(stat.S_IFDIR | 0o755))
    return manifest


def small() -> Manifest:
    manifest = empty()
    manifest.add_data("/etc/greeting", b"hello\n")
    manifest.add_data("/big", bytes(range(256)) * 40)
    manifest.add_link("/etc/alias", "greeting")
    return manifest


def test_a_withheld_file_has_a_size_and_no_pages() -> None:
    manifest = small()
    size = 1 << 40
    manifest.entries["/secret"] = Entry(Attributes(stat.S_IFREG | 0o600, uid=1, size=size))
    image = written(manifest)
    reader = RofsReader(image)
    reader.verify()
    (found,) = [each.inode for each in reader.walk() if each.path == "/secret"]
    assert (found.size, found.extent, found.flags) == (size, 0, layout.InodeFlags.WITHHELD)
    assert len(image) - len(written(small())) <= PAGE


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        (layout.Superblock, rofs_writer.SUPERBLOCK),
        (layout.Inode, rofs_writer.INODE),
        (layout.DirectoryEntry, rofs_writer.DIRECTORY_ENTRY),
        (layout.HltSite, rofs_writer.HLT_SITE),
    ],
)
def test_the_builder_writes_the_structures_of_the_kernel(kind: type, record: struct.Struct) -> None:
    assert record.size == size_of(kind)


def test_each_field_is_where_the_kernel_looks_for_it() -> None:
    packed = rofs_writer.INODE.pack(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    names = ["mode", "nlink", "uid", "gid", "size", "mtime_ns", "rdev", "flags", "first", "count"]
    for value, name in enumerate(names, 1):
        assert packed[offset_of(layout.Inode, name)] == value
    packed = rofs_writer.DIRECTORY_ENTRY.pack(1, 2, 3, 4, 5, 0)
    for value, name in enumerate(["inode", "name_offset", "hash", "name_length", "type"], 1):
        assert packed[offset_of(layout.DirectoryEntry, name)] == value
    values = [b"", *range(1, 19), b"\x13", b"\x14", 21]
    packed = rofs_writer.SUPERBLOCK.pack(*values)
    fields = [
        "magic", "version", "page_size", "page_count",
        "level2_first_page", "level2_page_count", "level1_first_page", "level1_page_count",
        "inode_first_page", "inode_count", "directory_first_page", "directory_entry_count",
        "string_first_page", "string_length", "hlt_first_page", "hlt_count",
        "data_first_page", "root_inode", "reserved", "build_id", "level2_checksums", "checksum",
    ]  # fmt: skip
    for value, name in list(enumerate(fields))[1:]:
        assert packed[offset_of(layout.Superblock, name)] == value, name


@given(st.binary(min_size=1, max_size=255))
def test_both_sides_hash_a_name_alike(name: bytes) -> None:
    assert int(layout.name_hash(text(name))) == name_hash(name)


names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))
trees = st.recursive(
    st.one_of(
        st.binary(max_size=9000),
        st.tuples(st.just("link"), names),
    ),
    lambda below: st.dictionaries(names, below, max_size=6),
    max_leaves=25,
)


def add(manifest: Manifest, path: str, node: object) -> None:
    if isinstance(node, bytes):
        manifest.entries[path] = Entry(
            Attributes(stat.S_IFREG | 0o640, 3, 4, -5, 1, len(node)), data=node
        )
    elif isinstance(node, tuple):
        manifest.entries[path] = Entry(Attributes(stat.S_IFLNK | 0o777), target=node[1])
    else:
        assert isinstance(node, dict)
        manifest.entries[path] = Entry(Attributes(stat.S_IFDIR | 0o711, 1, 2, 10**18))
        for name, below in node.items():
            add(manifest, os.path.join(path, name), below)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, trees, max_size=8))
def test_any_tree_is_read_back(tree: dict[str, object]) -> None:
    manifest = Manifest()
    add(manifest, "/", tree)
    image = written(manifest)
    reader = RofsReader(image)
    reader.verify()
    found = {listed.path: listed for listed in reader.walk()}
    assert set(found) == set(manifest.entries)
    for path, entry in manifest.entries.items():
        inode = found[path].inode
        assert inode.mode == entry.attributes.mode
        assert (inode.uid, inode.gid) == (entry.attributes.uid, entry.attributes.gid)
        assert inode.mtime_ns == entry.attributes.mtime_ns
        assert found[path].target == entry.target
        if entry.data is not None:
            assert reader.read(path) == entry.data
            assert inode.extent == 0 or inode.first * PAGE < len(image)
    assert written(manifest) == image


def test_a_directory_is_sorted_by_bytes_and_lists_no_dots() -> None:
    manifest = empty()
    for name in ("é", "z", "a", "Z", "a-b", "a.b", "ab"):
        manifest.add_data(f"/{name}", b"")
    reader = RofsReader(written(manifest))
    listed = [name for name, _ in reader.directory(reader.inode(layout.ROOT_INODE))]
    assert listed == sorted(name.encode() for name in ("é", "z", "a", "Z", "a-b", "a.b", "ab"))


def test_hard_links_share_an_inode(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"same")
    os.link(tmp_path / "one", tmp_path / "two")
    manifest = Manifest()
    manifest.add_tree(str(tmp_path))
    reader = RofsReader(written(manifest))
    below = dict(reader.directory(next(x.inode for x in reader.walk() if x.path == str(tmp_path))))
    assert below[b"one"] == below[b"two"]
    assert reader.inode(below[b"one"]).nlink == 2


def test_hlt_sites_are_sorted_and_mark_their_inode() -> None:
    reader = RofsReader(written(small(), {"/etc/greeting": [9, 4], "/big": [7]}))
    inodes = {listed.path: listed.inode for listed in reader.walk()}
    assert inodes["/big"].flags == inodes["/etc/greeting"].flags == layout.InodeFlags.HLT_SITES
    assert [offset for _, offset in reader.hlt_sites()] == [7, 4, 9]


def test_every_flipped_byte_is_noticed() -> None:
    image = written(small(), {"/big": [7]})
    for at in range(0, len(image), 97):
        damaged = bytearray(image)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(ImageError, match=r"image") as caught:
            RofsReader(bytes(damaged)).verify()
        assert caught.value.status == 125
        assert "\n" not in caught.value.message


def test_damage_in_a_file_names_the_file_and_the_page() -> None:
    image = bytearray(written(small()))
    reader = RofsReader(bytes(image))
    inode = next(listed.inode for listed in reader.walk() if listed.path == "/big")
    image[(inode.first + 1) * PAGE] ^= 1
    with pytest.raises(ImageError) as caught:
        RofsReader(bytes(image)).verify()
    expected = f"damaged image: /big, page {inode.first + 1}: the checksum does not match"
    assert caught.value.message == expected


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_damage_surprises_the_reader_even_with_right_checksums(data: st.DataObject) -> None:
    """Metadata that lies, checksummed afresh: an ImageError or a wrong tree, nothing else."""
    image = bytearray(written(small(), {"/big": [7]}))
    values = list(rofs_writer.SUPERBLOCK.unpack(image[:PAGE]))
    first_metadata, end = values[8], values[16]
    for _ in range(data.draw(st.integers(1, 4))):
        page = data.draw(st.integers(first_metadata, end - 1))
        at = page * PAGE + data.draw(st.integers(0, 300))
        image[at] = data.draw(st.integers(0, 255))
    with_sums = rechecksummed(bytes(image), values)
    check_or_refuse(with_sums)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 18), st.integers(0, 2**64 - 1))
def test_no_superblock_surprises_the_reader(field: int, value: int) -> None:
    image = written(small())
    values = list(rofs_writer.SUPERBLOCK.unpack(image[:PAGE]))
    values[field] = value % 2**32 if field in (1, 2, 17, 18) else value
    block = rofs_writer.SUPERBLOCK.pack(*values)[: PAGE - 4]
    block += struct.pack("<I", checksum(block))
    check_or_refuse(block + image[PAGE:])


def check_or_refuse(image: bytes) -> None:
    """Anything but an ImageError is a failure."""
    with contextlib.suppress(ImageError):
        reader = RofsReader(image)
        reader.verify()
        reader.hlt_sites()


def rechecksummed(image: bytes, values: list[int]) -> bytes:
    """Make all checksums of a small image right again."""
    made = bytearray(image)
    page_count, level2, level1, first = values[3], values[4], values[6], values[8]
    sums = [checksum(image[page * PAGE : (page + 1) * PAGE]) for page in range(page_count)]
    sums[:first] = [0] * first
    packed = struct.pack(f"<{page_count}I", *sums).ljust(PAGE, b"\0")
    made[level1 * PAGE : (level1 + 1) * PAGE] = packed
    packed = struct.pack("<I", checksum(packed)).ljust(PAGE, b"\0")
    made[level2 * PAGE : (level2 + 1) * PAGE] = packed
    at = offset_of(layout.Superblock, "level2_checksums")
    made[at : at + 4] = struct.pack("<I", checksum(packed))
    block = bytes(made[: PAGE - 4])
    made[PAGE - 4 : PAGE] = struct.pack("<I", checksum(block))
    return bytes(made)


def test_a_listing_shows_each_path(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(written(small()))
    lines = list(list_image(str(tmp_path / "image"), verify=True))
    assert [line.split(maxsplit=5)[5] for line in lines] == [
        "/",
        "/big",
        "/etc",
        "/etc/alias -> greeting",
        "/etc/greeting",
    ]
    assert lines[-1].startswith("-rw-r--r--       0:0          6 1970-01-01 00:00 ")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ImageError, match="empty: it is empty"):
        list(list_image(str(tmp_path / "empty")))
