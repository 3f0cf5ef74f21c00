"""Collects the samples of a run and turns them into call chains with names.

A chain goes from the outermost function to the innermost: the thread's name, the program's frames,
then the kernel's, which are marked. Chains that are equal are counted.
"""

from __future__ import annotations

import struct
from collections import Counter

from krait.kernel.protocol.look import Record
from krait.machine.looking import Answer, LookError
from krait.machine.program_symbols import ProgramSymbols, Span
from krait.machine.symbols import resolve_inlined

KERNEL_MARK = "_[k]"
"""Behind a kernel function, as in perf's folded output."""
_TID_MASK = 0xFFFFFFFF
_FIRST_KERNEL_TID = 0x4000_0000
_EXECUTE = 4  # PROT_EXEC


class Profile:
    """The samples of one run."""

    def __init__(self) -> None:
        self.samples: Counter[tuple[int, tuple[int, ...], tuple[int, ...]]] = Counter()
        """Thread, the kernel's addresses and the program's, innermost first."""
        self.count = 0
        self.lost = 0
        self.complaint = ""
        self._spans: dict[tuple[int, int, str], Span] = {}
        self._names: dict[int, str] = {}
        self._jit_map = bytearray()

    def take(self, payload: bytes) -> None:
        """Take one message of the guest's; what makes no sense is left out."""
        answer = Answer()
        try:
            answer.take(payload, 0)
        except LookError as error:
            self.complaint = error.message
        for sample in answer.of(Record.SAMPLE):
            self._add(sample.head, sample.text)
        self.lost += sum(each.count for each in answer.of(Record.LOST))
        for each in answer.of(Record.MAPPING):
            name = each.text.decode("utf-8", "replace")
            executable = bool(each.protection & _EXECUTE)
            span = Span(each.start, each.end, each.offset, name, executable=executable)
            self._spans[(span.start, span.end, span.name)] = span
        for each in answer.of(Record.THREAD):
            self._names[each.tid] = each.text.decode("utf-8", "replace")
        for each in answer.of(Record.JIT_MAP):
            self._jit_map += each.text

    def _add(self, head: int, raw: bytes) -> None:
        kernel, program = head >> 48 & 0xFF, head >> 56
        if len(raw) != 8 * (kernel + program):
            return
        addresses = struct.unpack(f"<{kernel + program}Q", raw)
        self.samples[(head & _TID_MASK, addresses[:kernel], addresses[kernel:])] += 1
        self.count += 1

    def chains(self, kernel: str, image: str) -> Counter[tuple[str, ...]]:
        """Named chains with the number of their samples."""
        symbols = ProgramSymbols(image, list(self._spans.values()), bytes(self._jit_map))
        places = self._kernel_places(kernel)
        program = symbols.names(
            wanted
            for _, inside, outside in self.samples
            for wanted in _asked(_code(outside, symbols), exact=not inside)
        )
        found: Counter[tuple[str, ...]] = Counter()
        for (tid, inside, outside), count in self.samples.items():
            chain = [self._thread_name(tid)]
            wanted = _asked(_code(outside, symbols), exact=not inside)
            chain += [program[address] for address in reversed(wanted)]
            for place, address in reversed(list(enumerate(inside))):
                names = places[address if place == 0 else address - 1]
                chain += [name + KERNEL_MARK for name in names]
            found[tuple(chain)] += count
        return found

    def _thread_name(self, tid: int) -> str:
        if tid >= _FIRST_KERNEL_TID:
            return "kernel"
        return self._names.get(tid) or f"thread {tid}"

    def _kernel_places(self, kernel: str) -> dict[int, list[str]]:
        """The functions, inlined ones included, at every address of the kernel's."""
        wanted = sorted(
            {
                address if place == 0 else address - 1
                for _, inside, _ in self.samples
                for place, address in enumerate(inside)
            }
        )
        return dict(zip(wanted, resolve_inlined(kernel, wanted), strict=True))


def _code(addresses: tuple[int, ...], symbols: ProgramSymbols) -> tuple[int, ...]:
    """The frames up to the first that is none: code without frame pointers leads anywhere."""
    for place, address in enumerate(addresses):
        if address == 0 or (place and not symbols.is_code(address)):
            return addresses[:place]
    return addresses


def _asked(addresses: tuple[int, ...], *, exact: bool) -> list[int]:
    """Where to look: a return address may be the next function's; the innermost may be exact."""
    first = addresses[:1] if exact else ()
    return [*first, *(address - 1 for address in addresses[len(first) :])]


def folded(chains: Counter[tuple[str, ...]]) -> str:
    """One line a chain, `outermost;…;innermost COUNT`, for the tools that know this form."""
    lines = [
        f"{';'.join(_one_word(name) for name in chain)} {count}\n"
        for chain, count in sorted(chains.items())
    ]
    return "".join(lines)


def _one_word(name: str) -> str:
    """A name that neither ends a line nor begins the next function."""
    return "".join(letter if letter.isprintable() else "?" for letter in name.replace(";", ":"))
