"""Samples become chains, chains a flame graph."""

from __future__ import annotations

import struct
from collections import Counter
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from krait.kernel.protocol import look
from krait.kernel.protocol.look import Record
from krait.machine.flame_graph import WIDTH, draw
from krait.machine.profile import Profile, folded

SVG = "{http://www.w3.org/2000/svg}"


def message(*records: tuple[int, bytes]) -> bytes:
    """The payload of one message."""
    body = b"".join(struct.pack("<HH", kind, len(data)) + data for kind, data in records)
    return struct.pack("<HHII", look.VERSION, 0, 0, 0) + body


def sample(tid: int, *program: int) -> tuple[int, bytes]:
    """A sample of the program."""
    head = tid | len(program) << 56
    return Record.SAMPLE, struct.pack(f"<Q{len(program)}Q", head, *program)


MAPPING = (
    Record.MAPPING,
    struct.pack("<QQQQQII", 0x1000, 0x3000, 0, 0, 0, 5, 0) + b"[code]",
)


def test_equal_chains_are_counted() -> None:
    profile = Profile()
    jit = (Record.JIT_MAP, b"1000 100 inner\n1100 100 outer\n")
    profile.take(message(sample(1, 0x1010, 0x1110), sample(1, 0x1020, 0x1110, 0x99999)))
    profile.take(message(sample(7, 0x2000), (Record.LOST, struct.pack("<Q", 4)), MAPPING, jit))
    chains = profile.chains("", "")
    assert chains == {("thread 1", "outer", "inner"): 2, ("thread 7", "[code]"): 1}
    assert folded(chains) == "thread 1;outer;inner 2\nthread 7;[code] 1\n"
    assert (profile.count, profile.lost) == (3, 4)


@given(st.binary(max_size=200))
def test_no_message_does_harm(data: bytes) -> None:
    profile = Profile()
    for payload in (data, message() + data, message((Record.SAMPLE, data), (Record.JIT_MAP, data))):
        profile.take(payload)
    profile.chains("", "")


def test_widths_are_shares() -> None:
    graph = draw(Counter({("a", "<b>"): 3, ("a", "c_[k]"): 1}), "title & more", "4 samples")
    frames = {
        frame.attrib["n"]: float(frame.attrib["w"])
        for frame in ET.fromstring(graph).iter(f"{SVG}g")
    }
    assert frames == {"all": WIDTH, "a": WIDTH, "<b>": WIDTH * 0.75, "c": WIDTH * 0.25}


@given(st.dictionaries(st.lists(st.text(max_size=9)).map(tuple), st.integers(1, 50), max_size=9))
def test_any_name_can_be_drawn(chains: dict[tuple[str, ...], int]) -> None:
    ET.fromstring(draw(Counter(chains), "title", ""))
    assert folded(Counter(chains)).count("\n") == len(chains)
