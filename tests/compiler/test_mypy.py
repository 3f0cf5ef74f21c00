"""mypy with the plugin: accepts kernel Python and refuses what is none, at the right lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api
from mypy.fscache import FileSystemCache
from mypy.main import process_options

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(scope="module")
def report() -> str:
    output, errors, _status = api.run(
        [f"--config-file={ROOT / 'pyproject.toml'}", *map(str, sorted(SAMPLES.glob("mypy_*.py")))]
    )
    assert not errors
    return output


def test_accepts(report: str) -> None:
    assert "mypy_accepted" not in report


def test_refuses(report: str) -> None:
    expected = {
        (number, code)
        for number, line in enumerate(
            (SAMPLES / "mypy_refused.py").read_text().splitlines(), start=1
        )
        for code in re.findall(r"# refused: (\S+)", line)
    }
    found = re.findall(r"mypy_refused\.py:(\d+): error: .*\[(\S+)\]", report)
    assert {(int(number), code) for number, code in found} == expected


def test_sees_every_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `python -m mypy` checks: Krait's own kernel, and those of the tests."""
    monkeypatch.chdir(ROOT)
    found, _ = process_options([], fscache=FileSystemCache())
    seen = {Path(each.path).resolve() for each in found if each.path is not None}
    kernels = {
        *(ROOT / "src/krait/kernel").rglob("*.py"),
        *(ROOT / "tests/guest/kernels").glob("*"),
    }
    assert {each for each in kernels if each.suffix == ".py"} <= seen
