"""Launchers that Krait looks through, and files that scripts name in their code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from krait.image.fast_path import Request
from krait.image.finders import lua, perl, php, ruby
from krait.image.finders.asking import ask
from krait.image.finders.named_in_code import add_named_files
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


def test_a_folder_named_in_code(tmp_path: Path) -> None:
    """`use lib` takes the whole folder."""
    (tmp_path / "lib" / "Deep").mkdir(parents=True)
    (tmp_path / "lib" / "Deep" / "Part.pm").touch()
    (tmp_path / "main.pl").write_text('use lib "$FindBin::Bin/lib";\n')
    search = search_in(tmp_path)
    add_named_files(["main.pl"], search, perl.REQUIRES, suffixes=("",))
    assert [path for path, _ in search.manifest.files()] == [f"{tmp_path}/lib/Deep/Part.pm"]


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
