"""`krait lsof`: the open files of a process in a machine."""

from __future__ import annotations

import os
import stat

import click

from krait.cli.table import LEFT, RIGHT, Column, print_found, text_of
from krait.kernel.protocol.look import Question, Record
from krait.machine import looking, registry

_EPILOG = """\b
Examples:
  krait lsof web
  krait lsof web --json | jq -r '.[].path'
"""
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFLNK: "link",
}
_ACCESS = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "rw"}
_NAMED = ("O_APPEND", "O_NONBLOCK", "O_DIRECTORY", "O_PATH", "O_CLOEXEC")

_COLUMNS = (
    Column("FD", RIGHT, lambda each: str(each["fd"])),
    Column("KIND", LEFT, lambda each: each["kind"]),
    Column("MODE", LEFT, lambda each: each["access"]),
    Column("POSITION", RIGHT, lambda each: str(each["position"])),
    Column("SIZE", RIGHT, lambda each: str(each["size"])),
    Column("FLAGS", LEFT, lambda each: "|".join(each["flags"]) or "-"),
    Column("PATH", LEFT, lambda each: each["path"]),
)


@click.command(epilog=_EPILOG)
@click.argument("machine")
@click.option("--pid", default=1, show_default=True, help="The process.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def lsof(machine: str, pid: int, as_json: bool) -> None:
    """List the open files of a process in MACHINE."""
    answer = looking.ask(registry.find(machine), Question.DESCRIPTORS, pid)
    found = [
        {
            "fd": each.number,
            "kind": _KINDS.get(stat.S_IFMT(each.mode), "anonymous"),
            "access": _ACCESS.get(each.flags & os.O_ACCMODE, "-"),
            "flags": [name for name in _NAMED if _has(each.flags, name)],
            "position": each.position,
            "size": each.size,
            "inode": each.inode,
            "path": text_of(each.text),
        }
        for each in answer.of(Record.DESCRIPTOR)
    ]
    print_found(found, _COLUMNS, as_json=as_json)


def _has(flags: int, name: str) -> bool:
    bits: int = getattr(os, name)
    return flags & bits == bits
