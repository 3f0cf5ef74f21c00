"""Profiles of a program whose time is spent in known places."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import Run

LEAST_SAMPLES = 300


@pytest.fixture(scope="module")
def program(build_program: Callable[..., str]) -> str:
    return build_program("guest/programs/profiled.c", "-fno-omit-frame-pointer", "-pthread", "-g")


def test_folded_text_names_what_ran(program: str, run_krait: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.folded"
    done = run_krait("run", "-c", "2", "--timeout", "60", f"--profile={path}", "--", program)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ samples in ", done.stderr)
    counts = {
        chain: int(count)
        for chain, _, count in (line.rpartition(" ") for line in path.read_text().splitlines())
    }
    total = sum(counts.values())
    assert total > LEAST_SAMPLES

    def share(*words: str) -> float:
        return sum(n for chain, n in counts.items() if all(w in chain for w in words)) / total

    base = Path(program).name
    chain = f"main ({base});outer_work ({base});inner_work ({base})"
    assert share(chain) > 0.05, counts
    assert share("second;", f"threaded_work ({base});outer_work ({base});inner_work") > 0.1, counts
    assert share("made_at_run_time") > 0.03, counts
    assert share("calling_work", "_[k]") > 0.01, counts
    assert share("src/krait/kernel/", ".py:") > 0.01, counts


def test_the_graph_is_one_file(program: str, run_krait: Run, tmp_path: Path) -> None:
    path = tmp_path / "out.svg"
    done = run_krait("run", "--timeout", "60", f"--profile={path}", "--", program)
    assert done.returncode == 0, done.stderr
    text = path.read_text()
    root = ET.fromstring(text)
    titles = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(title.startswith("inner_work") for title in titles)
    assert any(title.startswith("all (") for title in titles)
    assert "href" not in text
    assert text.count("http") == 1  # the name space


def test_nowhere_to_write(program: str, run_krait: Run) -> None:
    done = run_krait("run", "--profile=/nonexistent/out.svg", "--", program)
    assert done.returncode == 125
    assert done.stderr == "krait: --profile: /nonexistent/out.svg cannot be written\n"
