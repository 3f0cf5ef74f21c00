"""The part of the boot words that did not fit on the command line.

A command line of `words=fw_cfg` and what the monitor adds goes with a file of the firmware that has
the rest (`protocol/boot_words.py`). Both are joined before anyone reads a word, so that nobody else
has to know.

Unsafe: the joined line is stored in `boot_info`, which does not own it. Invariant: `long_words`
owns it and never lets go.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.arch.x86_64.boot_info import boot_info
from krait.kernel.drivers import fw_cfg
from krait.kernel.lang import Buffer, Struct, log, text, u8
from krait.kernel.protocol import boot_words
from krait.kernel.protocol.word_reader import SPACE, WordReader

unsafe: Final = True

LONGEST: Final = 4 << 20
"""More than Linux allows for arguments and environment together (execve(2), a quarter of 8 MiB)."""


class LongWords(Struct):
    """Owns the joined line."""

    line: Buffer[u8] | None = None


long_words = LongWords()


def join() -> None:
    """Append the firmware's file, if the command line says that there is one; raises ENOMEM."""
    if not _is_announced():
        return
    file = fw_cfg.find(text(boot_words.WORDS_FILE))
    if file.size == 0 or file.size > LONGEST:
        log("the boot words are announced in a file of {} bytes", file.size)
        return
    begin = boot_info.command_line
    line = Buffer[u8](length=begin.length + 1 + file.size)
    line.slice.part(0, begin.length).copy_from(begin)
    line[begin.length] = SPACE
    fw_cfg.read(file, line.slice.part(begin.length + 1, line.length))
    long_words.line = line
    boot_info.command_line = line.slice


def _is_announced() -> bool:
    """Look for the word."""
    reader = WordReader(line=boot_info.command_line)
    while reader.next():
        if reader.key().equals(text(boot_words.WORDS)):
            return reader.value().equals(text(boot_words.WORDS_FIRMWARE))
    return False
