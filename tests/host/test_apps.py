"""Definitions of apps: read, checked, built; every mistake is one clear line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from krait.apps.building import placed
from krait.apps.catalogue import app_names, find_app, missing_of, packages_of
from krait.apps.definition import load
from krait.apps.starting import request_of
from krait.errors import UserError

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a definition and give its folder."""

    def make(text: str, name: str = "thing") -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "app.toml").write_text(text)
        return str(folder)

    return make


WHOLE = """
description = "All keys"
program = "{built}/run"
arguments = ["{folder}/a", "b"]
build = ["sh -c 'echo x >> {built}/run'"]
finder = "ruby"
files = ["data", "data:/srv/data"]
memory = "64M"
cpus = 3
packages = ["ruby", "libc6-dev"]

[environment]
MODE = "{python}"

[smoke]
arguments = ["{built}"]
input = "in"
matches = "o+"
status = 3
timeout = 9
"""

MISTAKES = {
    "'program' is missing": "description = 'x'",
    "unknown key 'memry'; did you mean 'memory'?": "program = 'x'\nmemry = '1M'",
    "unknown key 'zzz'; there are: description": "program = 'x'\nzzz = 1",
    "'arguments' must be a list of texts": "program = 'x'\narguments = 'a b'",
    "'program' must be text": "program = ['x']",
    "'cpus' must be a whole number": "program = 'x'\ncpus = '2'",
    "'cpus' must be from 1 to 64, not 65": "program = 'x'\ncpus = 65",
    "'memory': 'much' is not a size of memory": "program = 'x'\nmemory = 'much'",
    "'memory' must be a size": "program = 'x'\nmemory = true",
    "not TOML: ": "program = x",
    "[environment] 'A' must be text": "program = 'x'\nenvironment.A = 1",
    "[environment] 'A=B' is no name": "program = 'x'\n[environment]\n'A=B' = 'c'",
    "'environment' must be a table": "program = 'x'\nenvironment = 'A=B'",
    "'{bilt}' is no placeholder; there are: {folder}, {built}": "program = '{bilt}/x'",
    "'{built}' is used, but 'build' says of no command": "program = '{built}/x'",
    "'No Such' is no name of a Debian package": "program = 'x'\npackages = ['No Such']",
    "[smoke]: unknown key 'ouput'; did you mean 'output'?": "program = 'x'\nsmoke.ouput = ''",
    "'output' and 'matches' exclude": "program = 'x'\nsmoke.output = ''\nsmoke.matches = ''",
    "[smoke]: 'matches' is no regular expression: ": "program = 'x'\nsmoke.matches = '('",
    "[smoke]: 'status' must be from 0 to 255": "program = 'x'\nsmoke.status = 256",
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistake(write: Write, message: str) -> None:
    with pytest.raises(UserError) as caught:
        load(write(MISTAKES[message]))
    assert message in caught.value.message
    assert "app.toml: " in caught.value.message
    assert "\n" not in caught.value.message


def test_every_key(write: Write) -> None:
    folder = write(WHOLE)
    os.mkdir(f"{folder}/data")
    app = load(folder)
    said: list[str] = []
    request = request_of(app, [], said.append, smoke=True)
    built = os.path.dirname(request.program)
    assert said == ["building thing"]
    assert Path(request.program).read_text() == "x\n"
    assert request.arguments == [built]
    assert request_of(app, [], said.append).arguments == [f"{folder}/a", "b"]
    assert request_of(app, ["c"], said.append).arguments == ["c"]
    assert said == ["building thing"], "built once"
    assert (request.finder, request.memory_bytes, request.cpus) == ("ruby", 64 << 20, 3)
    assert request.environment["MODE"].endswith(("python", "python3", "python3.11", "python3.12"))
    assert request.files == [f"{folder}/data"]
    assert request.volumes == [f"{folder}/data:/srv/data"]
    assert request.directory == folder
    assert app.smoke.matches is not None
    assert (app.smoke.status, app.smoke.timeout_s, app.smoke.input) == (3, 9, "in")


def test_a_change_is_built_anew(write: Write) -> None:
    folder = write("program = '{built}/p'\nbuild = ['cp {folder}/source {built}/p']")
    for content in ("one", "another"):
        Path(folder, "source").write_text(content)
        assert Path(placed(load(folder), print).program).read_text() == content


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("no-such-compiler x", "no-such-compiler: no such file"),
        ("sh -c 'echo an error >&2; exit 3'", "sh failed: an error"),
        ("sh -c 'unclosed", "no closing quotation"),
        ("", "an empty command"),
    ],
)
def test_a_build_that_fails_is_one_line(write: Write, build: str, message: str) -> None:
    folder = write(f"program = '{{built}}/p'\nbuild = [{json.dumps(build)}]")
    for _ in range(2):  # a failed build leaves nothing that looks finished
        with pytest.raises(UserError) as caught:
            placed(load(folder), print)
        assert message in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("rubi", "no app 'rubi'; did you mean ruby?"),
        ("%%%", "no app '%%%'; there are: "),
        ("./nowhere", "./nowhere: no app there: it has no app.toml"),
    ],
)
def test_an_app_that_is_not_there(wanted: str, message: str) -> None:
    with pytest.raises(UserError, match="no app") as caught:
        find_app(wanted)
    assert message in caught.value.message


def test_files_that_are_not_there(write: Write) -> None:
    with pytest.raises(UserError, match="thing: files: none: no such file"):
        request_of(load(write("program = 'true'\nfiles = ['none']")), [], print)


def test_a_name_that_is_none(write: Write) -> None:
    with pytest.raises(UserError, match="is no name for an app"):
        load(write("program = 'x'", "Bad Name"))


@pytest.mark.parametrize("name", app_names())
def test_those_that_come_with_krait(name: str) -> None:
    """Each says what it is, what it needs, and what its test prints; and is a short file."""
    app = find_app(name)
    assert app.description
    assert app.packages or "python" in app.program
    assert app.smoke.output or app.smoke.matches
    lines = Path(app.folder, "app.toml").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 20


def test_packages_that_are_missing() -> None:
    assert missing_of(["dpkg", "no-such-package-at-all"]) in (["no-such-package-at-all"], [])
    assert missing_of([]) == []
    assert "ruby" in packages_of([find_app("ruby"), find_app("ruby")])


def test_the_command_line(run_krait: Callable[..., Any], write: Write) -> None:
    """Listing, one app, and a mistake, as a user sees them."""
    listed = run_krait("apps")
    assert "\nruby " in listed.stdout
    shown = run_krait("apps", "erlang")
    assert "erlc -o {built}" in shown.stdout
    folder = write("program = 1")
    for words in (("run", folder), ("run", "--app", folder), ("build", f"image={folder}")):
        wrong = run_krait(*words)
        assert wrong.returncode == 125
        assert "app.toml: 'program' must be text" in wrong.stderr
