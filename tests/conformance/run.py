"""Run CPython's suite on the host and in machines, and compare with the list of expected failures.

    python -m tests.conformance.run [MODULE ...] [-- SWITCHES of krait run]
    python -m tests.conformance.run --go-on
    python -m tests.conformance.run --scores

Modules are named without `test.test_`; none means all. What machines answer is kept: `--go-on` runs
the modules that have none yet, `--scores` prints the table of docs/conformance-scores.md. Status 1:
a failure that the list does not have, or a method of the list that passes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.conformance import cpython, sqlite_tests

EXPECTED: Final = Path(__file__).with_name("expected")
HOST: Final = sqlite_tests.CACHE / "krait" / "conformance" / "cpython.json"
GUEST: Final = HOST.with_name("machine.json")


def expected_failures(suite: str = "cpython") -> dict[str, str]:
    """A suite's list: tests and reasons."""
    lines = (EXPECTED / f"{suite}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: reason for name, _, reason in pairs}


def surprises(
    results: Mapping[str, cpython.Record], expected: Collection[str]
) -> tuple[list[str], list[str]]:
    """What failed without being listed, and what is listed and passed."""
    failed = [name for name, record in results.items() if record.outcome != "ok"]
    passed = [name for name, record in results.items() if record.outcome == "ok"]
    return sorted(set(failed) - set(expected)), sorted(set(passed) & set(expected))


def run(modules: Sequence[str], switches: Sequence[str]) -> dict[str, cpython.Record]:
    """Run modules, machine after machine; give and keep what they answered."""
    results: dict[str, cpython.Record] = {}
    for batch in cpython.batches(cpython.host_results(modules, HOST)):
        found = cpython.guest_results(batch, switches)
        cpython.write_records(GUEST, found)
        for methods in found.values():
            results |= methods
    return results


def scores() -> Iterator[str]:
    """Yield the table: what was asked of the machine, what passed, what was not asked and why."""
    host, guest = cpython.read_records(HOST), cpython.read_records(GUEST)
    yield "| module | `-c` | methods | pass | not asked |"
    yield "|---|---|---|---|---|"
    good_of_all = of_all = 0
    for module in cpython.modules_of_suite():
        if module not in host:
            continue
        reasons = Counter(map(cpython.reason_left_out, host[module].values()))
        left_out = ", ".join(f"{n} {why}" for why, n in sorted(reasons.items(), key=str) if why)
        methods = guest.get(module, {})
        good = sum(record.outcome == "ok" for record in methods.values())
        of_all, good_of_all = of_all + len(methods), good_of_all + good
        short = module.removeprefix("test.test_")
        if methods or not reasons[None]:
            yield f"| {short} | {cpython.cpus_for(module)} | {len(methods)} | {good} | {left_out} |"
    yield f"| all | | {of_all} | {good_of_all} | |"


def report_surprises(suite: str, results: Mapping[str, cpython.Record]) -> int:
    """Print what no list foretold; the status to end with."""
    failed, passed = surprises(results, expected_failures(suite))
    for name in failed:
        print(f"FAILED {name} ({results[name].outcome})\n{results[name].why}")
    for name in passed:
        print(f"PASSED, take it from {EXPECTED}/{suite}.txt: {name}")
    return 1 if failed or passed else 0


def main(words: Sequence[str]) -> int:
    """Run what the command line names and print the comparison."""
    names, switches = list(words), []
    if "--" in names:
        switches = names[names.index("--") + 1 :]
        names = names[: names.index("--")]
    if names == ["--scores"]:
        print("\n".join(scores()))
        return 0
    sqlite_tests.fetch()
    if names in ([], ["--go-on"]):
        done = cpython.read_records(GUEST) if names else {}
        modules = [name for name in cpython.modules_of_suite() if name not in done]
    else:
        modules = [f"test.test_{name}" for name in names]
    results = run(modules, switches)
    good = sum(record.outcome == "ok" for record in results.values())
    print(f"{good} of {len(results)} methods pass")
    return report_surprises("cpython", results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
