"""Ruby, PHP, Lua, Perl and Erlang, unmodified: one concurrency program each, equal to the host."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.comparison import Comparison

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


def test_erlang_ring(same_as_host: Comparison, tmp_path: Path) -> None:
    """100,000 processes in a ring on four schedulers, from a compiled module."""
    subprocess.run(["erlc", "-o", str(tmp_path), str(PROGRAMS / "ring.erl")], check=True)
    same_as_host(
        *("erl", "+S", "4:4", "-noshell", "-pa", str(tmp_path), "-s", "ring", "start"),
        switches=("-m", "1G", "-c", ERLANG_CPUS),
    )
