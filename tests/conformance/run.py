"""Run CPython's suite on the host and in machines, and compare with the list of expected failures.

    python -m tests.conformance.run [MODULE ...] [-- SWITCHES of krait run]

Modules are named without `test.test_`; none means all. Status 1: a failure that the list does not
have, or a method of the list that passes.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.conformance import cpython

EXPECTED: Final = Path(__file__).with_name("expected") / "cpython.txt"


def expected_failures() -> dict[str, str]:
    """The list: methods and reasons."""
    lines = EXPECTED.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: reason for name, _, reason in pairs}


def surprises(
    results: Mapping[str, cpython.Record], expected: Collection[str]
) -> tuple[list[str], list[str]]:
    """What failed without being listed, and what is listed and passed."""
    failed = [name for name, record in results.items() if record.outcome != "ok"]
    passed = [name for name, record in results.items() if record.outcome == "ok"]
    return sorted(set(failed) - set(expected)), sorted(set(passed) & set(expected))


def run(
    modules: Sequence[str], switches: Sequence[str]
) -> tuple[dict[str, cpython.Record], Counter[str]]:
    """Run modules; give the results in the machine and why methods were left out."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    host = cpython.host_results(modules, cache / "krait" / "conformance" / "cpython.json")
    reasons = [
        cpython.reason_left_out(record) for methods in host.values() for record in methods.values()
    ]
    left_out = Counter(reason for reason in reasons if reason is not None)
    return cpython.guest_results(host, switches), left_out


def main(words: Sequence[str]) -> int:
    """Run what the command line names and print the comparison."""
    names, switches = list(words), []
    if "--" in names:
        switches = names[names.index("--") + 1 :]
        names = names[: names.index("--")]
    modules = [f"test.test_{name}" for name in names] or cpython.modules_of_suite()
    results, left_out = run(modules, switches)
    good = sum(record.outcome == "ok" for record in results.values())
    print(f"{good} of {len(results)} methods pass; left out: {dict(left_out)}")
    failed, passed = surprises(results, expected_failures())
    for name in failed:
        print(f"FAILED {name} ({results[name].outcome})\n{results[name].why}")
    for name in passed:
        print(f"PASSED, take it from {EXPECTED}: {name}")
    return 1 if failed or passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
