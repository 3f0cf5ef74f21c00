"""What the README claims is what was measured, and what it names exists."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"```.*?```|^    .*?$|`[^`\n]*`", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:src|tests|docs|bench)/[\w./-]+)`")


def test_numbers_of_the_readme_are_current() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    written = runpy.run_path(str(ROOT / "bench" / "readme.py"))["with_numbers"](text)
    assert text == written, "README.md is out of date; run: ./krait bench readme"


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "./krait run -- python3 -c 'import os, json; print(json.dumps(os.uname()))'" in text
    assert "./krait test\n" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(CODE.sub("", text)) if not link.startswith("http")]
    missing = [link for link in links if not (page.parent / link).exists()]
    missing += [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    assert not missing


def test_results_name_their_measurement() -> None:
    for path in (ROOT / "bench" / "results").glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8"))["measurement"] == path.stem
