"""The first line of a script: `#!interpreter [argument]` (execve(2), "Interpreter scripts")."""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import ENOEXEC
from krait.kernel.lang import Errno, Slice, Text, u8, u64

SCRIPT_DEPTH: Final = 4
"""How many scripts may name scripts as their interpreters."""
SCRIPT_LINE: Final = 256  # BINPRM_BUF_SIZE, linux/binfmts.h


def is_script(start: Slice[u8]) -> bool:
    """Say whether a file that begins like this is a script."""
    return start.length >= 2 and start[0] == 0x23 and start[1] == 0x21


def script_interpreter(line: Slice[u8]) -> Text:
    """Give the first word of a `#!` line; ENOEXEC if there is none."""
    start = skip_blanks(line, 0)
    end = word_end(line, start)
    if end == start:
        raise Errno(ENOEXEC)
    return line.part(start, end)


def script_option(line: Slice[u8]) -> Text:
    """Give the rest of the line without blanks around it, which is one argument."""
    start = skip_blanks(line, word_end(line, skip_blanks(line, 0)))
    end = start
    last = start
    while end < line.length and line[end] != 0x0A and line[end] != 0:
        if not is_blank(line[end]):
            last = end + 1
        end += 1
    return line.part(start, last)


def is_blank(byte: u8) -> bool:
    """Say whether a byte is a space or a tab."""
    return byte in (0x20, 0x09)


def skip_blanks(line: Slice[u8], start: u64) -> u64:
    """Give the place of the first byte that is not blank."""
    while start < line.length and is_blank(line[start]):
        start += 1
    return start


def word_end(line: Slice[u8], start: u64) -> u64:
    """Give the place behind a word."""
    while start < line.length and not is_blank(line[start]):
        if line[start] in (0x0A, 0):
            break
        start += 1
    return start
