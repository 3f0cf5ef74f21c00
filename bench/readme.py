"""Puts the figures of `bench/results/*.json` into the tables of the README.

    krait bench readme

Everything between the two comments named `numbers` in README.md is written by this; a test checks
that it is current.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
README = HERE.parent / "README.md"
BEGIN, END = "<!-- numbers: written by bench/readme.py -->\n", "<!-- end of numbers -->\n"

Row = tuple[str, str, str, str, str]


def main() -> None:
    """Write the tables."""
    README.write_text(with_numbers(README.read_text(encoding="utf-8")), encoding="utf-8")


def with_numbers(text: str) -> str:
    """The README with current tables."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}{tables()}{END}{after}"


def tables() -> str:
    """Start, size and so on; then the operations."""
    lines = [
        "",
        "| | Krait | goal | Linux guest | `./krait bench` |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows()),
        "",
        "Guest instructions of one operation (`./krait bench operations`); the wall time is",
        "Krait's in parts of the Linux guest's, on the same machine in alternating runs:",
        "",
        "| operation | Krait | goal | Linux guest | wall time |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in operations()),
        "",
    ]
    return "\n".join(lines) + "\n"


def rows() -> Iterator[Row]:
    """What is measured once."""
    boot, programs = result("boot"), result("programs")
    if boot:
        for board in ("microvm", "q35"):
            sides = boot[f"{board}, seconds"]
            krait, bare = sides["Krait"], sides["bare QEMU"]
            wall, cpu = (krait[key] / bare[key] for key in ("median", "CPU"))
            part = krait["median"] / sides["Linux guest"]["median"]
            goal = f"{boot['goals']['Krait / Linux guest'][board]:.3f} of the Linux guest"
            times = f"{wall:.1f} x bare QEMU (CPU time: {cpu:.1f} x)"
            yield (
                f"static hello on {board}, whole QEMU process",
                f"{seconds(krait['median'])}, {part:.3f} of the Linux guest, {times}",
                f"{goal}, 2 x bare QEMU" if board == "microvm" else goal,
                linux(sides),
                "boot",
            )
            if board == "microvm":
                yield (
                    "`krait run` of it, Python included",
                    seconds(sides["krait run"]["median"]),
                    seconds(boot["goals"]["krait run, seconds"]),
                    "",
                    "boot",
                )
        counts = boot["instructions to the program's first"]
        yield (
            "guest instructions before the program's first, 64 MiB / 1 GiB",
            " / ".join(f"{counts[size]['instructions']:,}" for size in ("64M", "1G")),
            f"{boot['goals']['instructions']:,}",
            "",
            "boot",
        )
    if programs:
        ratios = programs.get("goals, parts of the Linux guest", {})
        for name, sides in programs["seconds"].items():
            goal = programs["goals, seconds"].get(name)
            part = f" or {ratios[name]:.2f} of the Linux guest" if name in ratios else ""
            yield (
                f"`{name}`, whole QEMU process",
                seconds(sides["Krait"]["median"]) + part_of_linux(sides),
                seconds(goal) + part if goal else "",
                linux(sides),
                "programs",
            )
    if memory := result("memory"):
        for kind, row in memory["least memory"].items():
            yield (f"least memory, {kind} hello", f"{row['MiB']} MiB", f"{row['goal']} MiB", "",
                   "memory")  # fmt: skip
    yield from several_threads()
    if size := result("size"):
        for name, row in size["kernel"].items():
            yield (f"kernel file, {name} configuration", f"{row['file KiB']:.0f} KiB",
                   f"{row['goal KiB']} KiB", "", "size")  # fmt: skip
        default = size["kernel"]["default"]
        yield ("lines of kernel Python in unsafe modules", f"{default['unsafe share']:.1%}", "", "",
               "size")  # fmt: skip
        yield ("deepest path of calls on a kernel stack",
               f"{default['deepest stack, bytes']:,} bytes", "16,384", "", "size")  # fmt: skip
    if build := result("build"):
        for name, row in build["builds"].items():
            yield (
                f"building the kernel, {name}",
                f"{seconds(row['seconds'])} ({seconds(row['CPU seconds'])} of CPU)",
                seconds(row["goal"]),
                "",
                "build",
            )
    if codegen := result("codegen"):
        yield (
            "generated code: time, in parts of C with the same checks / of plain C",
            f"{codegen['ratio to checked C']:.2f} / {codegen['ratio to plain C']:.2f}",
            f"{codegen['goal, to checked C']}",
            "",
            "codegen",
        )


def several_threads() -> Iterator[Row]:
    """What threads cost, and what they gain from a second CPU."""
    if idle := result("idle_threads"):
        sides = {side: f"{kib / 1024:.1f} MiB" for side, kib in idle["KiB"]["MemAvailable"].items()}
        yield (f"memory for {idle['threads']:,} idle threads", sides["Krait"], "the Linux guest's",
               sides.get("Linux guest", ""), "idle_threads")  # fmt: skip
    if scaling := result("scaling"):
        for name, row in scaling["rows"].items():
            gains = {side: f"{gain:.2f} x" for side, gain in row["gain"].items()}
            yield (f"{name}: throughput on two CPUs by that on one", gains["Krait"],
                   "0.9 of the Linux guest's", gains.get("Linux guest", ""), "scaling")  # fmt: skip


def operations() -> Iterator[Row]:
    """The cost of each operation."""
    found = result("operations")
    if not found:
        return
    for name, row in found["rows"].items():
        counts, ns = row["instructions"], row["ns"]
        ratio = f"{ns['Krait'] / ns['Linux guest']:.2f}" if len(ns) == 2 else ""
        goal = f"{row['goal']:,}" if row["goal"] else ""
        yield (name, count(counts.get("Krait")), goal,
               count(counts.get("Linux guest")), ratio)  # fmt: skip


def result(name: str) -> dict[str, Any]:
    """A measurement, empty if it was not taken."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def linux(sides: dict[str, dict[str, float]]) -> str:
    """The other side's seconds."""
    return seconds(sides["Linux guest"]["median"]) if "Linux guest" in sides else ""


def seconds(value: float) -> str:
    """Seconds to the digits that mean something."""
    return f"{value:.3f} s" if value < 1 else f"{value:.1f} s"


def part_of_linux(sides: dict[str, dict[str, float]]) -> str:
    """What Krait takes in parts of the Linux guest's time."""
    if "Linux guest" not in sides:
        return ""
    return f", {sides['Krait']['median'] / sides['Linux guest']['median']:.2f} of the Linux guest"


def count(value: float | None) -> str:
    """Instructions."""
    return "" if value is None else f"{value:,.0f}"


if __name__ == "__main__":
    main()
