"""Where the vector registers of tasks lie, for CPUs with and without AVX-512.

TCG has no AVX-512, so the sizes that such a CPU reports are given here: 2,696 bytes in the standard
format (Intel SDM 1, 13.4.3), of which the components begin at 576, 1088, 1152 and 1664.
"""

from __future__ import annotations

import pytest

from krait.kernel.arch.x86_64 import context
from krait.kernel.lang import u64
from krait.kernel.linux import vector_area
from krait.kernel.linux.signal_frame import MAGIC2_SIZE, SoftwareBytes

SSE = 576
AVX = 832
AVX512 = 2696
PAGE = 4096


@pytest.mark.parametrize(
    ("size", "count"), [(SSE, 7), (AVX, 4), (1024, 3), (AVX512, 1), (4032, 1), (4033, 0)]
)
def test_areas_fit_into_their_frame(monkeypatch: pytest.MonkeyPatch, size: int, count: int) -> None:
    """They are aligned, do not overlap, and leave the head alone."""
    monkeypatch.setattr(context.vector_layout, "size", u64(size))
    assert vector_area.areas_in_frame() == count
    if count:
        stride = int(vector_area.area_stride(u64(count)))
        assert stride % 64 == 0
        assert stride >= size
        assert stride * (count - 1) + size <= PAGE - 64


@pytest.mark.parametrize(
    ("offered", "mask"),
    [(0x3, 0x3), (0x7, 0x7), (0xE7, 0xE7), (0x27, 0x7), (0x2E7, 0xE7), (0x602E7, 0xE7)],
)
def test_components_that_programs_get(offered: int, mask: int) -> None:
    """AVX-512 as a whole or not at all; neither protection keys nor AMX."""
    assert context.components(u64(offered)) == mask


def test_what_a_signal_frame_says_about_itself() -> None:
    """`struct _fpx_sw_bytes` has room for the sizes of AVX-512."""
    software = SoftwareBytes()
    software.state_size = AVX512  # type: ignore[assignment]
    software.extended_size = AVX512 + MAGIC2_SIZE  # type: ignore[assignment]
    software.features = 0xE7  # type: ignore[assignment]
    raw = bytes(software._bytes)
    assert raw[:4] == b"SXPF"
    assert int.from_bytes(raw[4:8], "little") == 2700
    assert int.from_bytes(raw[8:16], "little") == 0xE7
    assert int.from_bytes(raw[16:20], "little") == 2696
