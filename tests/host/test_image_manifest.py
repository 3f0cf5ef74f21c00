"""Manifests: the host's layout is kept, links included, and OSv's text form is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from krait.image.errors import ImageError
from krait.image.manifest import Manifest, format_manifest, parse_manifest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "real/deep/file").write_text("hello")
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "real/up").symlink_to("../real/deep")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "broken").symlink_to("nowhere/at/all")
    return tmp_path


def test_links_on_the_way_are_kept(tree: Path) -> None:
    manifest = Manifest()
    assert manifest.add_host(f"{tree}/alias/up/file") == f"{tree}/real/deep/file"
    assert manifest.entries[f"{tree}/alias"].target == "real"
    assert manifest.entries[f"{tree}/real/up"].target == "../real/deep"
    assert manifest.entries[f"{tree}/real/deep/file"].host == f"{tree}/real/deep/file"
    assert manifest.resolve(f"{tree}/alias/up/file") == f"{tree}/real/deep/file"
    assert all(os.path.dirname(path) in manifest.entries for path in manifest.entries)


@pytest.mark.parametrize("name", ["loop", "broken", "none", "real/deep/file/below"])
def test_what_leads_nowhere_is_none(tree: Path, name: str) -> None:
    assert Manifest().add_host(f"{tree}/{name}") is None


def test_what_was_looked_at_is_remembered(tree: Path) -> None:
    manifest = Manifest()
    manifest.add_host(f"{tree}/alias/none")
    assert manifest.inputs[f"{tree}/real/none"] is None
    assert manifest.inputs[f"{tree}/alias"] is not None
    assert manifest.listed == set()


def test_a_tree_is_taken_whole_but_for_what_is_skipped(tree: Path) -> None:
    (tree / "real/tests").mkdir()
    (tree / "real/tests/file").write_text("")
    (tree / "real/file.a").write_text("")
    manifest = Manifest()
    manifest.add_tree(
        str(tree / "alias"), skip_directories=frozenset(("tests",)), skip_suffixes=(".a",)
    )
    below = {path.removeprefix(f"{tree}/") for path in manifest.entries if str(tree) in path}
    assert below >= {"alias", "real", "real/deep", "real/deep/file", "real/up"}
    assert not {path for path in below if "tests" in path or path.endswith(".a")}
    assert f"{tree}/real" in manifest.listed


def test_sockets_and_pipes_stay_outside(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    manifest = Manifest()
    manifest.add_tree(str(tmp_path))
    assert f"{tmp_path}/pipe" not in manifest.entries


def test_attributes_are_the_hosts(tree: Path) -> None:
    file = tree / "real/deep/file"
    file.chmod(0o4751)
    os.utime(file, ns=(1, 1_234_567_890_123_456_789))
    manifest = Manifest()
    manifest.add_host(str(file))
    attributes = manifest.entries[str(file)].attributes
    assert attributes.mode == stat.S_IFREG | 0o4751
    assert attributes.mtime_ns == 1_234_567_890_123_456_789
    assert (attributes.uid, attributes.gid) == (os.getuid(), os.getgid())


def test_a_new_file_goes_through_the_hosts_links(tree: Path) -> None:
    manifest = Manifest()
    manifest.add_data(f"{tree}/alias/new/file", b"data")
    assert manifest.entries[f"{tree}/real/new/file"].data == b"data"
    assert manifest.entries[f"{tree}/alias"].is_link


TEXT = """\
[manifest]
# a comment
/etc/greeting: real/deep/file
/greeting: ->etc/greeting
/opt/all/**: real/**
/opt/link: ->all/deep
"""


def test_osv_manifests_are_read(tree: Path) -> None:
    manifest = Manifest()
    parse_manifest(TEXT, str(tree), manifest)
    assert manifest.entries["/etc/greeting"].host == f"{tree}/real/deep/file"
    assert manifest.entries["/greeting"].target == "etc/greeting"
    assert manifest.entries["/opt/all/deep/file"].host == f"{tree}/real/deep/file"
    assert manifest.resolve("/opt/link/file") == "/opt/all/deep/file"
    again = Manifest()
    parse_manifest(format_manifest(manifest), "/", again)
    assert format_manifest(again) == format_manifest(manifest)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "manifest line 1: expected '/guest/path: host/path': nonsense"),
        ("etc: x", "manifest line 1: expected '/guest/path: host/path': etc: x"),
        ("/a: none", "manifest line 1: HERE/none: no such file or directory"),
        ("/a/**: real", "manifest line 1: '/**' must end both sides: /a/**: real"),
    ],
)
def test_a_bad_line_is_named(tree: Path, line: str, message: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse_manifest(line, str(tree), Manifest())
    assert caught.value.message.replace(str(tree), "HERE") == message


def test_a_file_where_a_directory_must_be_is_named(tree: Path) -> None:
    manifest = Manifest()
    manifest.add_data("/made", b"")
    with pytest.raises(ImageError, match="/made is needed as a directory, but is a file"):
        manifest.add_data("/made/below", b"")
