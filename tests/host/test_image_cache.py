"""Cached images: reused while nothing has changed, made anew when anything has."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from krait.image import cache
from krait.image.errors import STATUS_NOT_FOUND, FileVanished, ImageError
from krait.image.fast_path import PreparedImage, Request, find_prepared, imported_names, named_paths
from krait.image.manifest import Manifest
from krait.image.prepare import prepare_image
from krait.image.rofs_reader import RofsReader
from krait.kernel.fs.rofs import layout

Prepare = Callable[..., PreparedImage]
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/root", "TERM": "xterm", "LANG": "C.UTF-8"}


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    (tmp_path / "work").mkdir()

    def call(*words: str, **options: object) -> PreparedImage:
        options = {
            "environment": ENVIRONMENT,
            "cache_folder": str(tmp_path / "cache"),
            "workdir": str(tmp_path / "work"),
            **options,
        }
        return prepare_image(words[0], words[1:], **options)  # type: ignore[arg-type]

    return call


def paths_in(image: PreparedImage) -> set[str]:
    with open(image.path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = RofsReader(memoryview(data))
    reader.verify()
    return {listed.path for listed in reader.walk()}


def test_the_second_run_takes_the_first_ones_image(prepare: Prepare) -> None:
    first, second = prepare("cat", "-n"), prepare("cat", "-n")
    assert not first.from_cache
    assert second.from_cache
    for name in PreparedImage.__slots__:
        if name != "from_cache":
            assert getattr(first, name) == getattr(second, name), name


def test_arguments_that_are_no_files_do_not_matter(prepare: Prepare) -> None:
    prepare("printf", "a")
    image = prepare("printf", "b", "c")
    assert image.from_cache
    assert image.argv == ["printf", "b", "c"]
    assert image.program_guest_path == "/usr/bin/printf"


def test_programs_with_the_same_files_share_an_image(prepare: Prepare) -> None:
    assert prepare("cat").path == prepare("cat", "x=1").path == prepare("/usr/bin/cat").path


def test_standard_directories_are_there(prepare: Prepare) -> None:
    found = paths_in(prepare("true"))
    assert found >= {"/tmp", "/dev", "/proc", "/sys", "/root", "/etc", "/var/tmp", "/run"}
    assert found >= {"/home/user", "/etc/passwd", "/usr/bin/true"}


def test_runs_from_anywhere_share_an_image(prepare: Prepare, tmp_path: Path) -> None:
    images = [prepare("true", workdir=path) for path in ("/", "/usr", str(tmp_path))]
    assert len({image.path for image in images}) == 1
    assert [image.cwd for image in images] == ["/", "/usr", str(tmp_path)]


def test_a_file_that_vanishes_after_it_was_planned(prepare: Prepare, tmp_path: Path) -> None:
    """The image is begun again, without it."""
    file = tmp_path / "work/file"
    file.write_text("one")
    image = prepare("cat", "file", announce=lambda _: file.unlink())
    listed = {each.path for each in RofsReader(Path(image.path).read_bytes()).walk()}
    assert str(file) not in listed
    assert not list((tmp_path / "cache").rglob(".making-*"))


def test_a_program_that_vanishes_after_it_was_planned(prepare: Prepare, tmp_path: Path) -> None:
    program = tmp_path / "work/program"
    shutil.copy("/usr/bin/cat", program)
    with pytest.raises(ImageError) as caught:
        prepare(str(program), announce=lambda _: program.unlink())
    assert caught.value.status == STATUS_NOT_FOUND


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_file_that_always_vanishes_is_named(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    gone = tmp_path / "work/below/gone"
    gone.parent.mkdir()
    look = Manifest.lstat

    def look_and_lose(manifest: Manifest, path: str) -> os.stat_result | None:
        if path != str(gone):
            return look(manifest, path)
        found = look(manifest, path)
        gone.unlink() if kind == "link" else gone.rmdir()
        return found

    def listed(path: str) -> list[str]:
        if path == str(gone.parent):
            gone.symlink_to("target") if kind == "link" else gone.mkdir()
        return list_directory(path)

    list_directory = os.listdir
    monkeypatch.setattr(os, "listdir", listed)
    monkeypatch.setattr(Manifest, "lstat", look_and_lose)
    with pytest.raises(FileVanished) as caught:
        prepare("true", volumes=[(str(gone.parent), "/data")])
    assert str(caught.value) == f"{gone} vanished while the image was made; try again"


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir(exist_ok=True)
    (tmp_path / "work/file").write_text("one")
    return tmp_path / "work"


def test_a_changed_file_makes_the_image_anew(prepare: Prepare, tmp_path: Path) -> None:
    file = tmp_path / "work/file"
    file.write_text("one")
    first = prepare("cat", "file")
    assert str(file) in paths_in(first)
    assert prepare("cat", "file").from_cache
    file.write_text("two")
    second = prepare("cat", "file")
    assert not second.from_cache
    assert second.path != first.path


@pytest.mark.parametrize("change", ["mode", "time", "replaced", "removed", "link"])
def test_whatever_changes_is_noticed(prepare: Prepare, tmp_path: Path, change: str) -> None:
    file = tmp_path / "work/file"
    file.write_text("one")
    status = file.stat()
    prepare("cat", "file")
    if change == "mode":
        file.chmod(0o600)
    elif change == "time":
        os.utime(file, ns=(0, 0))
    elif change == "replaced":  # same size, same modification time
        (tmp_path / "other").write_text("two")
        os.utime(tmp_path / "other", ns=(status.st_atime_ns, status.st_mtime_ns))
        (tmp_path / "other").rename(file)
    else:
        file.unlink()
        if change == "link":
            file.symlink_to("/etc/passwd")
    assert not prepare("cat", "file").from_cache


def test_a_mount_that_heeds_set_id_bits_no_longer_is_noticed(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image says which of its programs were on a nosuid mount."""
    program, plain = tmp_path / "work/program", tmp_path / "work/plain"
    for path, mode in ((program, 0o4755), (plain, 0o755)):
        shutil.copy("/usr/bin/true", path)
        path.chmod(mode)
    for flags, expected in ((0, 0), (os.ST_NOSUID, layout.InodeFlags.NO_SET_ID)):
        mounted = SimpleNamespace(f_flag=flags)
        monkeypatch.setattr(os, "statvfs", lambda _path, mounted=mounted: mounted)
        image = prepare(str(program), "plain")
        assert not image.from_cache
        assert prepare(str(program), "plain").from_cache
        reader = RofsReader(memoryview(Path(image.path).read_bytes()))
        found = {listed.path: listed.inode for listed in reader.walk()}
        seen = layout.InodeFlags.NO_SET_ID
        assert found[str(program)].flags & seen == expected
        assert found[str(program)].mode & 0o7777 == 0o4755
        assert found[str(plain)].flags & seen == 0


def test_a_new_file_in_a_named_directory_is_noticed(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "work/folder").mkdir()
    prepare("ls", "folder")
    assert prepare("ls", "folder").from_cache
    (tmp_path / "work/folder/new").write_text("")
    image = prepare("ls", "folder")
    assert not image.from_cache
    assert str(tmp_path / "work/folder/new") in paths_in(image)


def test_a_new_file_beside_does_not_matter(prepare: Prepare, tmp_path: Path) -> None:
    prepare("true")
    (tmp_path / "work/new").write_text("")
    assert prepare("true").from_cache


def test_a_program_earlier_in_path_is_noticed(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environment = {**ENVIRONMENT, "PATH": f"{tmp_path}/bin:/usr/bin"}
    prepare("true", environment=environment)
    assert prepare("true", environment=environment).from_cache
    (tmp_path / "bin/true").write_text("#!/bin/sh\n")
    (tmp_path / "bin/true").chmod(0o755)
    image = prepare("true", environment=environment)
    assert image.program_guest_path == f"{tmp_path}/bin/true"


@pytest.mark.parametrize("damage", ["record", "cut", "image gone", "image short"])
def test_a_damaged_cache_is_made_anew(prepare: Prepare, tmp_path: Path, damage: str) -> None:
    first = prepare("true")
    (record,) = (tmp_path / "cache/records").iterdir()
    if damage == "record":
        record.write_bytes(b"krait image record 1\nnonsense")
    elif damage == "cut":
        record.write_bytes(record.read_bytes()[:-100])
    elif damage == "image gone":
        os.unlink(first.path)
    else:
        os.truncate(first.path, 4096)
    again = prepare("true")
    assert not again.from_cache
    assert os.path.getsize(again.path) == again.size
    assert prepare("true").from_cache


def test_clean_removes_everything(prepare: Prepare, tmp_path: Path) -> None:
    image = prepare("true")
    assert cache.clean(str(tmp_path / "cache")) > image.size
    assert not os.path.exists(image.path)
    assert not prepare("true").from_cache


def test_old_images_make_room(
    prepare: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare("true")
    monkeypatch.setattr(cache, "IMAGES_SIZE_MAX", 1)
    second = prepare("cat")
    assert not os.path.exists(first.path)
    assert os.path.exists(second.path)


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImageError) as caught:
        prepare_image("true", [], environment=ENVIRONMENT, cache_folder=str(tmp_path / "file/x"))
    assert caught.value.status == 125
    assert "XDG_CACHE_HOME" in caught.value.message
    assert "\n" not in caught.value.message


def test_volumes_are_copied(prepare: Prepare, tmp_path: Path) -> None:
    (tmp_path / "data/deep").mkdir(parents=True)
    (tmp_path / "data/deep/file").write_text("x")
    image = prepare("true", volumes=[f"{tmp_path}/data:/srv/data"])
    assert "/srv/data/deep/file" in paths_in(image)
    (tmp_path / "data/deep/second").write_text("x")
    image = prepare("true", volumes=[f"{tmp_path}/data:/srv/data"])
    assert "/srv/data/deep/second" in paths_in(image)
    for volume, message in (("/none:/srv", "no such file"), ("/etc", "must begin with '/'")):
        with pytest.raises(ImageError, match=message):
            prepare("true", volumes=[volume])


def test_names_with_any_byte_are_kept(prepare: Prepare, tmp_path: Path) -> None:
    name = os.fsdecode(b"line\nbreak \\n back\\slash \xff")
    (tmp_path / "work" / name).write_text("x")
    assert not prepare("cat", name).from_cache
    image = prepare("cat", name)
    assert image.from_cache
    assert image.argv == ["cat", name]
    assert str(tmp_path / "work" / name) in paths_in(image)


def test_parallel_first_runs_build_once(tmp_path: Path) -> None:
    code = (
        "import sys; from krait.image.prepare import prepare_image as p;"
        "i = p('sort', [], cache_folder=sys.argv[1]); print(i.path, i.from_cache)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "cache")]
    environment = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    lines = [process.communicate()[0].split() for process in started]
    assert len({path for path, _ in lines}) == 1
    assert sorted(cached for _, cached in lines) == ["False", "True", "True", "True"]
    assert len(list((tmp_path / "cache/images").iterdir())) == 1


def test_a_cached_run_does_little(prepare: Prepare) -> None:
    """Work is counted in calls of functions, not in time: other processes run meanwhile."""
    first = calls_in(lambda: prepare("/usr/bin/python3", "-c", "1"))
    cached = calls_in(lambda: prepare("/usr/bin/python3", "-c", "2"))
    assert cached * 100 < first
    request = Request("/usr/bin/python3", ["-c", "1"], ENVIRONMENT)
    assert find_prepared(request) is None  # another cache folder, another working directory


def calls_in(work: Callable[[], PreparedImage]) -> int:
    """Count the calls that some work makes."""
    events: Counter[str] = Counter()
    sys.setprofile(lambda _frame, event, _function: events.update([event]))
    try:
        work()
    finally:
        sys.setprofile(None)
    return events["call"] + events["c_call"]


def test_the_fast_path_imports_next_to_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import krait.image.prepare;"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) <= {
        *("__future__", "array", "collections", "collections.abc", "krait", "krait.image"),
        *("krait.image.fast_path", "krait.image.prepare", "itertools", "keyword", "operator"),
        *("reprlib", "_collections", "_operator"),
    }


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["-c", "import os, json; print(1)"], set()),
        (
            ["-c", "import numpy as np, click; from rich.text import Text"],
            {"numpy", "click", "rich"},
        ),
        (["-c", "x = __import__('attrs')"], {"attrs"}),
        (["-m", "pygments.cmdline", "-V"], {"pygments"}),
        (["-c", "from zoneinfo import ZoneInfo"], {"zoneinfo"}),
        (["-c", "print('important')"], set()),
    ],
)
def test_imports_are_read_from_the_command_line(words: list[str], names: set[str]) -> None:
    assert names <= imported_names(words)
    assert not imported_names(words) & {"os", "json", "print"}


def test_arguments_name_paths(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = [
        "file",
        "--in=file",
        "-x",
        "none",
        "/dev/null",
        "/proc/self/maps",
        "",
        "a\0b",
        "x" * 9999,
    ]
    assert list(named_paths(words, str(tmp_path))) == [f"{tmp_path}/file"] * 2
