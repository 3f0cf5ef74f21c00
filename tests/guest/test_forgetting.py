"""No CPU goes on by a translation that another has let be forgotten (mm/translations.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.guest.kernels.build import build

pytestmark = pytest.mark.guest


def test_space_that_only_others_have_loaded(run_krait: Run, tmp_path: Path) -> None:
    """A kernel thread takes a page away on a CPU that has run no program yet."""
    kernel = build("translations", tmp_path)
    done = run_krait("run", "-c", "2", "--kernel", str(kernel), "--", "/bin/true")
    assert done.returncode == 0, done.stderr
    assert "the other CPU has forgotten" in done.stderr
