"""Ruby, PHP, Lua, Perl and Erlang, unmodified: one concurrency program each, equal to the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, Comparison, run_in_guest, run_on_host

CPUS = ("1", "2")  # of the machine; what a program prints must not depend on it
ERLANG_CPUS = "4"
PROGRAMS = Path(__file__).parent / "programs"
SCRIPTS = {
    "ruby": ["ruby", "concurrency.rb"],
    "php": ["php", "concurrency.php"],
    "lua": ["lua5.4", "concurrency.lua", "an argument"],
    "perl": ["perl", "concurrency.pl"],
    "escript": ["escript", "tasks.escript", "one", "two words"],
    "escript by env": [str(PROGRAMS / "tasks.escript")],
}
INLINE = {
    "ruby": ["ruby", "-e", "puts RUBY_ENGINE; Thread.new { puts gets }.join; exit 2"],
    "php": ["php", "-r", "echo PHP_VERSION, fgets(STDIN); exit(2);"],
    "lua": ["lua5.4", "-e", "print(_VERSION, io.read()) os.exit(2)"],
    "perl": ["perl", "-Mthreads", "-e", "threads->create(sub { print <STDIN> })->join; exit 2"],
    "erl": ["erl", "-noshell", "-eval", 'io:format("~s", [io:get_line("")]), halt(2).'],
}


@pytest.mark.parametrize("cpus", CPUS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_script(same_as_host: Comparison, name: str, cpus: str) -> None:
    """Threads, fibers or processes of the language, its library, and files beside the script."""
    program, *rest = SCRIPTS[name]
    same_as_host(program, *rest, directory=str(PROGRAMS), switches=("-c", cpus))


@pytest.mark.parametrize("cpus", CPUS)
@pytest.mark.parametrize("name", INLINE)
def test_code_on_the_command_line(same_as_host: Comparison, name: str, cpus: str) -> None:
    """Hello, standard input and a status."""
    same_as_host(*INLINE[name], stdin=b"a line\n", switches=("-c", cpus))


def test_load_paths(same_as_host: Comparison, tmp_path: Path) -> None:
    """Modules in folders that switches, variables and code put on the load path, all relative."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "part.rb").write_text("PART = :ruby\n")
    (tmp_path / "lib" / "Part.pm").write_text("package Part; sub name { 'perl' } 1;\n")
    (tmp_path / "lib" / "part.lua").write_text("return 'lua'\n")
    (tmp_path / "lib" / "Part.php").write_text("<?php class Part { const NAME = 'php'; }\n")
    php = 'spl_autoload_register(fn($n) => require __DIR__ . "/lib/$n.php"); echo Part::NAME;'
    (tmp_path / "main.php").write_text(f"<?php {php}\n")
    perl = ("-MPart", "-e", "print Part::name()")
    for command, variables in (
        (("ruby", "-Ilib", "-rpart", "-e", "p PART"), {}),
        (("perl", "-I", "lib", *perl), {}),
        (("perl", *perl), {"PERL5LIB": "lib"}),
        (("lua5.4", "-e", "print(require('part'))"), {"LUA_PATH": "lib/?.lua;;"}),
        (("php", "main.php"), {}),
    ):
        same_as_host(*command, environment=variables, directory=str(tmp_path))


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/usr/bin/env -S sh", ""])
def test_a_relative_script(tmp_path: Path, first: str) -> None:
    """A script sees the name by which it was called."""
    script = tmp_path / "script"
    script.write_text(f"{first}\necho $0 $#\n")
    script.chmod(0o755)
    here = run_on_host(["/bin/sh", "-c", "./script a b"], b"", ENVIRONMENT, str(tmp_path))
    there = run_in_guest(["./script", "a", "b"], b"", ENVIRONMENT, directory=str(tmp_path))
    assert (there.status, there.output) == (here.status, here.output) == (0, b"./script 2\n")


def test_erlang_ring(same_as_host: Comparison, tmp_path: Path) -> None:
    """100,000 processes in a ring on four schedulers, from a compiled module."""
    subprocess.run(["erlc", "-o", str(tmp_path), str(PROGRAMS / "ring.erl")], check=True)
    same_as_host(
        *("erl", "+S", "4:4", "-noshell", "-pa", str(tmp_path), "-s", "ring", "start"),
        switches=("-m", "1G", "-c", ERLANG_CPUS),
    )
