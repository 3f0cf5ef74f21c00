"""Kernels of a few instructions: what `krait doctor` boots and what accelerators are timed by.

Comparing version numbers says little about whether a VM can run; running one does. Each kernel is
a 32-bit ELF file with a PVH note (Xen, public/arch-x86/hvm/start_info.h and public/elfnote.h): the
monitor enters it in 32-bit protected mode without paging, %ebx pointing to hvm_start_info.
"""

from __future__ import annotations

import struct

from krait.kernel.protocol import outcome

_LOAD_ADDRESS = 0x100000
_XEN_ELFNOTE_PHYS32_ENTRY = 18
_START_INFO_COMMAND_LINE = 24  # offset of cmdline_paddr in hvm_start_info

STATUS = 2 * 0x10 + 1
"""What QEMU ends with when one of these kernels has ended it (hw/misc/debugexit.c)."""

_STOP = bytes((0xB0, 0x10, 0xE6, outcome.EXIT_PORT, 0xF4))  # mov $16, %al; out %al, $0xf4; hlt


def stop() -> bytes:
    """A kernel that ends the VM at once."""
    return _elf(_STOP)


def report(records: bytes) -> bytes:
    """A kernel that writes the given bytes to the debug port, then ends the VM."""
    code_bytes = 17 + len(_STOP)
    code = struct.pack("<BI", 0xBE, _LOAD_ADDRESS + code_bytes)  # mov $records, %esi
    code += struct.pack("<BI", 0xB9, len(records))  # mov $length, %ecx
    code += struct.pack("<BI", 0xBA, outcome.PORT)  # mov $port, %edx
    code += b"\xf3\x6e"  # rep outsb
    return _elf(code + _STOP + records)


def echo_command_line() -> bytes:
    """A kernel that writes its command line to the debug port, then ends the VM."""
    code = bytes((0x8B, 0x73, _START_INFO_COMMAND_LINE))  # mov 24(%ebx), %esi
    code += b"\xac\x84\xc0\x74\x04"  # 1: lodsb; test %al, %al; jz 2f
    code += bytes((0xE6, outcome.PORT))  # out %al, $0xe9
    code += b"\xeb\xf7"  # jmp 1b; 2:
    return _elf(code + _STOP)


def spin() -> bytes:
    """A kernel that never ends."""
    return _elf(b"\xeb\xfe")


def timed_loop(rounds: int) -> bytes:
    """A kernel that counts down from `rounds` and ends the VM.

    The loop stores and reloads memory: where ring 0 is emulated instruction by instruction, as by
    KVM inside a guest without nested hardware virtualisation, this is what becomes slow.
    """
    code = struct.pack("<BI", 0xB9, rounds)  # mov $rounds, %ecx
    code += b"\x89\x0d" + struct.pack("<I", _LOAD_ADDRESS + 0x1000)  # 1: mov %ecx, (scratch)
    code += b"\x8b\x0d" + struct.pack("<I", _LOAD_ADDRESS + 0x1000)  # mov (scratch), %ecx
    code += b"\x49\x75\xf1"  # dec %ecx; jnz 1b
    return _elf(code + _STOP)


def _elf(code: bytes) -> bytes:
    """A 32-bit ELF file that loads and enters the code at 1 MiB."""
    note = struct.pack("<III4sI", 4, 4, _XEN_ELFNOTE_PHYS32_ENTRY, b"Xen\0", _LOAD_ADDRESS)
    note_offset = 52 + 2 * 32
    code_offset = note_offset + len(note)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        2,  # ET_EXEC
        3,  # EM_386
        1,
        _LOAD_ADDRESS,
        52,
        0,
        0,
        52,
        32,
        2,
        0,
        0,
        0,
    )
    load = (1, code_offset, _LOAD_ADDRESS, _LOAD_ADDRESS, len(code), len(code), 7, 1)
    notes = (4, note_offset, 0, 0, len(note), len(note), 4, 4)
    return header + struct.pack("<8I", *load) + struct.pack("<8I", *notes) + note + code
