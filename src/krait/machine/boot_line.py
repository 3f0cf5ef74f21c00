"""Writes boot words (`krait.kernel.protocol.boot_words`): escapes values, splits long lines."""

from __future__ import annotations

from krait.kernel.protocol import boot_words

_ESCAPES = {byte: chr(byte) if byte in boot_words.PLAIN else f"%{byte:02X}" for byte in range(256)}


def escape(value: bytes) -> str:
    """The value as the kernel command line carries it."""
    return value.decode("latin-1").translate(_ESCAPES)


def boot_line(words: list[tuple[bytes, bytes]], extra: str = "") -> tuple[str, str]:
    """The command line, and the words that go to the firmware's file ('' if all fit)."""
    encoded = [f"{key.decode('ascii')}={escape(value)}" for key, value in words]
    if extra:
        encoded.append(extra)
    line = " ".join(encoded)
    if len(line) <= boot_words.COMMAND_LINE_LIMIT:
        return line, ""
    marker = f"{boot_words.WORDS.decode('ascii')}={boot_words.WORDS_FIRMWARE.decode('ascii')}"
    return marker, line
