"""Draws the pictures of the docs: a boot chart from a run, bars from `bench/results/*.json`.

    krait bench pictures            all of them, to docs/images/
    krait bench pictures bars       only those that need no machine

The boot chart is what `krait run --bootchart -- true` prints, through rich's SVG export. The bars
are plain SVG, written here.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import re
import subprocess
from pathlib import Path
from typing import Any

from _measure import CHECKOUT, krait, plain_environment
from rich.console import Console
from rich.text import Text

RESULTS = Path(__file__).resolve().parent / "results"
IMAGES = CHECKOUT / "docs" / "images"
COMMAND = ("run", "--accel", "tcg", "--bootchart", "--", "true")
WIDTH_COLUMNS = 72

COLOURS = {
    "Krait": "#2e7d32", "krait run": "#81c784", "goal": "#bdbdbd", "Linux guest": "#ef6c00",
    "bare QEMU": "#90a4ae", "host": "#b39ddb", "kernel Python": "#2e7d32",
    "C with checks": "#90a4ae", "C": "#cfd8dc",
}  # fmt: skip
LABEL, BAR, PLOT, VALUE = 170, 11, 430, 110  # pixels

Rows = dict[str, dict[str, float]]


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("which", nargs="?", choices=("all", "bars", "bootchart"), default="all")
    which = parser.parse_args().which
    IMAGES.mkdir(parents=True, exist_ok=True)
    if which != "bars":
        (IMAGES / "bootchart.svg").write_text(bootchart(), encoding="utf-8")
    if which != "bootchart":
        for name, picture in bars().items():
            (IMAGES / name).write_text(picture, encoding="utf-8")


def bootchart() -> str:
    """A terminal with the command and what it printed."""
    done = subprocess.run(
        krait(*COMMAND), capture_output=True, text=True, check=True, env=plain_environment(),
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if " ms " in line]
    if not lines:
        raise SystemExit(f"no boot chart: {done.stderr}")
    console = Console(record=True, width=WIDTH_COLUMNS, file=io.StringIO(), highlight=False)
    console.print(Text("$ ./krait run --bootchart -- true", style="bold"))
    for line in lines:
        figures, name = line.rsplit("  ", 1)
        console.print(Text(figures) + Text(f"  {name}", style="bold green"))
    picture = console.export_svg(title="the phases of a boot", unique_id="krait")
    return re.sub(r"\s*@font-face \{.*?\}(?=\s)", "", picture, flags=re.DOTALL)


def bars() -> dict[str, str]:
    """The plots for which there are results."""
    pictures = {}
    if (found := result("operations")) is not None:
        rows = {
            name: {**row["instructions"], "goal": row["goal"]}
            for name, row in found["rows"].items()
        }
        title = "Guest instructions of an operation (logarithmic)"
        pictures["operations.svg"] = plot(title, rows, ("Krait", "goal", "Linux guest"))
    if (found := result("boot")) is not None:
        rows = {
            f"hello, {board}": medians(found[f"{board}, seconds"]) for board in ("microvm", "q35")
        }
        if (programs := result("programs")) is not None:
            rows |= {name: medians(each) for name, each in programs["seconds"].items()}
        title = "Seconds from the start of QEMU to its end (logarithmic)"
        order = ("host", "bare QEMU", "Krait", "krait run", "Linux guest")
        pictures["start.svg"] = plot(title, rows, order)
    if (found := result("codegen")) is not None:
        rows = {
            name: {
                "kernel Python": row["python"],
                "C with checks": row["checked"],
                "C": row["plain"],
            }
            for name, row in found["functions, ns"].items()
        }
        title = "Nanoseconds of one round on the host (logarithmic)"
        pictures["codegen.svg"] = plot(title, rows, ("kernel Python", "C with checks", "C"))
    return pictures


def result(name: str) -> dict[str, Any] | None:
    """A measurement's JSON, if it was taken."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def medians(sides: dict[str, dict[str, float]]) -> dict[str, float]:
    """The middle of each side."""
    return {side: each["median"] for side, each in sides.items()}


def plot(title: str, rows: Rows, order: tuple[str, ...]) -> str:
    """Horizontal bars on a logarithmic scale, in groups."""
    values = [value for row in rows.values() for value in row.values() if value]
    low = 10 ** math.floor(math.log10(min(values)))
    high = max(values)
    used = [name for name in order if any(name in row for row in rows.values())]
    parts = legend(used)
    y = 64
    for name, row in rows.items():
        present = [each for each in used if row.get(each)]
        middle = y + BAR * len(present) / 2 + 4
        parts.append(
            f'<text x="{LABEL - 8}" y="{middle:.0f}" text-anchor="end">{escaped(name)}</text>'
        )
        for each in present:
            length = max(2, PLOT * math.log(row[each] / low) / math.log(high / low))
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR - 2}" '
                f'fill="{COLOURS[each]}"/>'
                f'<text x="{LABEL + length + 5:.1f}" y="{y + 8}" class="value">'
                f"{shown(row[each])}</text>"
            )
            y += BAR
        y += 9
    width = LABEL + PLOT + VALUE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 8}" '
        f'viewBox="0 0 {width} {y + 8}" font-family="sans-serif" font-size="12">'
        "<style>.value { font-size: 10px; fill: #555 }</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="16" y="24" font-size="15" font-weight="bold">{escaped(title)}</text>'
        + "\n".join(parts)
        + "</svg>\n"
    )


def legend(names: list[str]) -> list[str]:
    """A square and a name for each series."""
    parts = []
    x = 16
    for name in names:
        parts.append(
            f'<rect x="{x}" y="36" width="11" height="11" fill="{COLOURS[name]}"/>'
            f'<text x="{x + 16}" y="46">{escaped(name)}</text>'
        )
        x += 40 + 7 * len(name)
    return parts


def shown(value: float) -> str:
    """A number with about three digits."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def escaped(text: str) -> str:
    """Text for XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


if __name__ == "__main__":
    main()
