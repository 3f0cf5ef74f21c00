"""Launchers that Krait looks through, and files that scripts name in their code."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from krait.image.fast_path import Request
from krait.image.finders import go, lua, node, own_data, package_files, perl, php, ruby
from krait.image.finders.asking import add_folders, ask, load_path_switches
from krait.image.finders.named_in_code import add_named_files
from krait.image.finders.python_imports import ImportedModules
from krait.image.launchers import behind_launcher
from krait.image.library_search import LibrarySearch
from krait.image.manifest import Manifest

ERL = """#!/bin/sh
ROOTDIR=/nowhere/erlang
BINDIR="$ROOTDIR/erts-13.1/bin"
EMU=beam
exec "$BINDIR/erlexec" ${1+"$@"}
"""


def installation(folder: Path) -> Path:
    """Lay out an Erlang installation that was moved to where it is."""
    (folder / "bin").mkdir()
    (folder / "erts-13.1" / "bin").mkdir(parents=True)
    (folder / "erts-13.1" / "bin" / "erlexec").touch()
    (folder / "bin" / "erl").write_text(ERL)
    (folder / "bin" / "escript").touch()
    return folder


def test_erl_is_looked_through(tmp_path: Path) -> None:
    """The script's variables, with the folder in which the installation really is."""
    root = installation(tmp_path)
    seen: list[str] = []
    path, changes = behind_launcher(str(root / "bin" / "erl"), {}, seen.append)
    assert path == f"{root}/erts-13.1/bin/erlexec"
    assert changes["ROOTDIR"] == str(root)
    assert changes["BINDIR"] == f"{root}/erts-13.1/bin"
    assert seen == [str(root / "bin" / "erl")]


def test_escript_gets_its_emulator(tmp_path: Path) -> None:
    """`escript` runs itself, but not the script `erl`; the user's own choice stays."""
    script = str(installation(tmp_path) / "bin" / "escript")
    path, changes = behind_launcher(script, {}, print)
    assert path == script
    assert changes["ESCRIPT_EMULATOR"].endswith("/erlexec")
    assert behind_launcher(script, {"ESCRIPT_EMULATOR": "/x"}, print) == (script, {})


@pytest.mark.parametrize("text", ["", "#!/bin/sh\necho erl\n", "x" * 10_000])
def test_another_erl_is_left_alone(tmp_path: Path, text: str) -> None:
    """Any program may be called erl."""
    path = tmp_path / "erl"
    path.write_text(text)
    assert behind_launcher(str(path), {}, print) == (str(path), {})


def search_in(folder: Path) -> LibrarySearch:
    """Make an empty manifest's search."""
    return LibrarySearch(Manifest(), os.environ, str(folder))


NAMED = {
    "ruby": (ruby.REQUIRES, ("", ".rb"), False, "require_relative 'parts/one'\n# require 'no'\n"),
    "lua": (lua.REQUIRES, (".lua", "/init.lua"), True, 'local one = require "parts.one"\n'),
    "php": (php.INCLUDES, ("",), False, "<?php require_once __DIR__ . '/parts/one.php';\n"),
    "perl": (perl.REQUIRES, ("",), False, 'require "parts/one.pl";\n'),
}


@pytest.mark.parametrize("language", NAMED)
def test_files_named_in_code(tmp_path: Path, language: str) -> None:
    """A part that a script names is found, and so is the part's own part."""
    pattern, suffixes, dots, code = NAMED[language]
    end = {"ruby": ".rb", "lua": ".lua", "php": ".php", "perl": ".pl"}[language]
    (tmp_path / "parts").mkdir()
    (tmp_path / f"main{end}").write_text(code)
    (tmp_path / "parts" / f"one{end}").write_text(code.replace("one", "two").replace("parts/", ""))
    (tmp_path / "parts" / f"two{end}").write_text("")
    (tmp_path / "parts" / f"no{end}").write_text("")
    search = search_in(tmp_path)
    add_named_files([f"main{end}"], search, pattern, suffixes=suffixes, dots_are_folders=dots)
    found = {os.path.basename(path) for path, _ in search.manifest.files()}
    assert found == {f"one{end}", f"two{end}"}


FOLDERS = {
    "perl": (perl.REQUIRES, ("",), 'use lib "$FindBin::Bin/lib";\n'),
    "perl, a list": (perl.REQUIRES, ("",), "use lib qw(lib);\n"),
    "ruby": (ruby.LOAD_PATHS, ("",), '$LOAD_PATH.unshift File.expand_path("lib", __dir__)\n'),
    "ruby, short": (ruby.LOAD_PATHS, ("",), '$: << "#{__dir__}/lib"\n'),
    "php": (php.INCLUDES, ("",), 'require __DIR__ . "/lib/$class.php";\n'),
    "php, a path": (php.INCLUDES, ("",), "set_include_path(get_include_path() . ':' . 'lib');\n"),
    "lua": (lua.REQUIRES, ("",), 'package.path = "./lib/?.lua;" .. package.path\n'),
}


@pytest.mark.parametrize("how", FOLDERS)
@pytest.mark.parametrize("inline", [False, True])
def test_a_folder_named_in_code(tmp_path: Path, how: str, inline: bool) -> None:
    """What leads a load path is taken whole, be the code in a file or on the command line."""
    pattern, suffixes, code = FOLDERS[how]
    (tmp_path / "lib" / "Deep").mkdir(parents=True)
    (tmp_path / "lib" / "Deep" / "Part").touch()
    (tmp_path / "main").write_text(code)
    search = search_in(tmp_path)
    add_named_files([code] if inline else ["main"], search, pattern, suffixes=suffixes)
    assert [path for path, _ in search.manifest.files()] == [f"{tmp_path}/lib/Deep/Part"]


def test_folders_of_a_load_path(tmp_path: Path) -> None:
    """Relative ones count from the working directory, which itself is not taken."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "one").touch()
    (tmp_path / "not this").touch()
    search = search_in(tmp_path)
    add_folders(["lib", ".", "", "/", "none"], search, [])
    assert [path for path, _ in search.manifest.files()] == [f"{tmp_path}/lib/one"]


def test_load_path_switches() -> None:
    """Those before the script are the interpreter's."""
    words = ["-w", "-Ione", "-I", "two", "-e", "-Ino", "-Ithree", "script", "-Ifour"]
    assert load_path_switches(words) == ["-Ione", "-I", "two", "-Ithree"]


@pytest.mark.parametrize("name", [b"time.LoadLocation", b"mime.initMime", b"time.Now"])
@pytest.mark.parametrize("is_go", [False, True])
def test_what_go_reads(tmp_path: Path, name: bytes, is_go: bool) -> None:
    """The functions in a program of Go tell its files; those of another are nobody's."""
    program = tmp_path / "program"
    program.write_bytes(
        b"\x7fELF" + (go.BUILD_INFORMATION if is_go else b"") + b" main.main " + name
    )
    manifest = Manifest()
    go.add_go(str(program), manifest)
    asked = {path for path in manifest.inputs if path.startswith(("/usr/share", "/etc"))}
    assert any(path.startswith(go.ZONEINFO) for path in asked) == (
        is_go and name == b"time.LoadLocation"
    )
    assert ("/etc/mime.types" in asked) == (is_go and name == b"mime.initMime")


def test_an_interpreter_that_fails_is_no_answer(tmp_path: Path) -> None:
    """The caller then leaves a note."""
    assert ask(["/bin/false"], search_in(tmp_path), {}) is None
    assert ask([str(tmp_path / "none")], search_in(tmp_path), {}) is None


def test_variables_of_languages_choose_the_record() -> None:
    """Another load path is another image."""
    keys = {
        Request("ruby", [], {"PATH": "/bin", **more}).key
        for more in ({}, {"RUBYLIB": "/a"}, {"GEM_HOME": "/b"}, {"LUA_PATH": "/c/?.lua"})
    }
    assert len(keys) == 4


def test_a_large_folder_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the program's name goes in whole, or the user learns that it does not."""
    monkeypatch.setattr(own_data, "FOLDERS", (str(tmp_path),))
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "data").write_bytes(bytes(1000))
    for limit, notes in ((1000, 0), (999, 1)):
        monkeypatch.setattr(own_data, "BYTES_MAX", limit)
        manifest, said = Manifest(), list[str]()
        own_data.add_own_data("/usr/bin/program", manifest, {}, said)
        assert len(said) == notes
        assert (f"{tmp_path}/program/data" in dict(manifest.files())) == (notes == 0)


STATUS = """Package: teller
Status: install ok installed
Depends: libc6 (>= 2.36), teller-stories (= 1.0) | other, wires
Recommends: teller-doc

Package: teller-stories
Status: install ok installed
Source: teller (1.0-2)

Package: teller-doc
Status: install ok installed
Source: teller

Package: wires
Status: install ok installed
"""


def database(folder: Path, lists: dict[str, list[Path | str]]) -> None:
    """Write a database of packages."""
    (folder / "info").mkdir()
    (folder / "status").write_text(STATUS)
    for package, paths in lists.items():
        text = "".join(f"{path}\n" for path in ["/.", *paths])
        (folder / "info" / f"{package}.list").write_text(text)


def test_a_package_brings_what_is_of_the_same_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that only this package has is taken as it is; of a shared one, what is listed."""
    own, shared = tmp_path / "own", tmp_path / "shared"
    for path in (own / "listed", own / "deep" / "made", shared / "listed", shared / "foreign"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")
    (own / "link").symlink_to(own / "deep")
    database(
        tmp_path,
        {
            "teller:amd64": ["/bin/env"],
            "teller-stories": [own, own / "listed", own / "link", shared / "listed"],
            "teller-doc": [own, shared / "foreign"],
            "wires": [shared / "foreign"],
        },
    )
    monkeypatch.setattr(package_files, "DATABASE", str(tmp_path))
    monkeypatch.setattr(package_files, "TAKEN", re.compile(str(tmp_path)))
    monkeypatch.setattr(package_files, "PRIVATE", re.compile(f"{tmp_path}/[^/]+/"))
    manifest, notes, libraries = Manifest(), list[str](), list[str]()
    package_files.add_package_files("/usr/bin/env", manifest, notes, libraries.append)
    files = {path for path, _ in manifest.files()}
    assert files == {str(own / "deep" / "made"), str(own / "listed"), str(shared / "listed")}
    assert manifest.entries[str(own / "link")].is_link
    assert not notes
    assert not libraries

    monkeypatch.setattr(package_files, "FILES_MAX", 2)
    manifest = Manifest()
    package_files.add_package_files("/usr/bin/env", manifest, notes, libraries.append)
    assert not list(manifest.files())
    assert len(notes) == 1
    assert notes[0].endswith(own_data.TOO_LARGE)


def test_a_program_of_no_package_has_no_package_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        monkeypatch.setattr(package_files, "DATABASE", str(folder))
        manifest, notes = Manifest(), list[str]()
        package_files.add_package_files("/usr/bin/env", manifest, notes, notes.append)
        assert not list(manifest.files())
        assert not notes


@pytest.mark.parametrize("compiled", [True, False])
def test_compiled_code_imports_what_its_project_requires(tmp_path: Path, compiled: bool) -> None:
    """cryptography's Rust code imports a module of cffi, which no Python code names."""
    files = {
        "sealed/__init__.py": "",
        "sealed/_rust.abi3.so" if compiled else "sealed/plain.py": "",
        "Sealed-1.0.dist-info/METADATA": "Name: Sealed\nRequires-Dist: C.Ffi>=2.0 ; x < '4'\n"
        "Requires-Dist: seldom ; extra == 'ssh'\n",
        "c_ffi-2.dist-info/METADATA": "Name: c-ffi\n",
        "c_ffi-2.dist-info/RECORD": "_backend.so,sha256=1,2\nffi/__init__.py,,\n../../bin/f,,\n",
        "_backend.so": "",
        "ffi/__init__.py": "",
        "seldom.py": "",
        "seldom-1.dist-info/RECORD": "seldom.py,,\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    manifest = Manifest()
    ImportedModules(manifest, "/nowhere", [str(tmp_path)], ()).add(["sealed"])
    found = {path for path, _ in manifest.files()}
    assert str(tmp_path / "sealed/__init__.py") in found
    assert (str(tmp_path / "_backend.so") in found) == compiled
    assert (str(tmp_path / "ffi/__init__.py") in found) == compiled
    assert str(tmp_path / "seldom.py") not in found


def node_files(tmp_path: Path, arguments: list[str]) -> tuple[set[str], list[str]]:
    """What Node's finder adds below a folder, and what it notes."""
    manifest, notes = Manifest(), list[str]()
    search = LibrarySearch(manifest, {}, str(tmp_path))
    node.add_node("/usr/bin/node", search, arguments, {}, notes)
    found = {path for path, _ in manifest.files()}
    return {path.removeprefix(f"{tmp_path}/") for path in found}, notes


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Lay out a script without a suffix, and packages."""
    modules = tmp_path / "node_modules"
    for name, needs in {"thing": ["@some/part"], "@some/part": ["deep"], "other": []}.items():
        (modules / name).mkdir(parents=True)
        description = {"name": name, "dependencies": dict.fromkeys(needs, "1")}
        (modules / name / "package.json").write_text(json.dumps(description))
    deep = modules / "@some/part/node_modules/deep"
    deep.mkdir(parents=True)
    (deep / "index.js").write_text("")
    (tmp_path / "tool").write_text("#!/usr/bin/env node\nrequire('./lib'); require('thing/x')\n")
    (tmp_path / "lib.js").write_text("")
    return tmp_path


THING = "node_modules/thing/package.json"
PART = "node_modules/@some/part/package.json"
DEEP = "node_modules/@some/part/node_modules/deep/index.js"
OTHER = "node_modules/other/package.json"


@pytest.mark.parametrize(
    "arguments", [["tool", "x"], ["-e", "import('thing')"], ["--eval=require(`other`)"]]
)
def test_node_packages_are_taken_whole(packages: Path, arguments: list[str]) -> None:
    found, notes = node_files(packages, arguments)
    assert {THING, PART, DEEP, OTHER} <= found
    assert ("lib.js" in found) == (arguments[0] == "tool")
    assert not notes


def test_of_many_node_packages_those_named_are_taken(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what they say they need, also where that lies in a folder of their own."""
    monkeypatch.setattr(node, "TREE_FILES_MAX", 2)
    assert node_files(packages, ["tool"]) == ({"lib.js", THING, PART, DEEP}, [])
    (packages / "node_modules/other/package.json").write_text("no JSON")
    assert node_files(packages, ["-p", "require('other')"]) == ({OTHER}, [])


def test_node_code_without_packages_takes_none(packages: Path) -> None:
    assert node_files(packages, ["-e", "console.log(1)"]) == (set(), [])
