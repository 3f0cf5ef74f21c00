"""How fast generated code is: kernel Python against C with the same checks and C without.

`krait bench codegen [--output FILE]` compiles `kernel_functions.py` by our compiler and
`functions.c` by the C compiler alone, with the kernel's flags, runs both in one process on the host
and prints nanoseconds of one round and the geometric means of the ratios.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "src"), str(HERE)]

from krait.compiler.program import compile_program  # noqa: E402
from krait.compiler.toolchain import COMMON_FLAGS, GCC_FLAGS, find_toolchain  # noqa: E402

NOT_ON_THE_HOST = ("-mcmodel=kernel", "-ffreestanding", "-fcallgraph-info", "-mstack-protector")
OPTIMISATION = "-O2"


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    rows = measure()
    result = {
        "measurement": "codegen",
        "functions, ns": rows,
        "ratio to checked C": mean([row["python"] / row["checked"] for row in rows.values()]),
        "ratio to plain C": mean([row["python"] / row["plain"] for row in rows.values()]),
        "goal, to checked C": 1.1,
    }
    print(f"{'':10} {'kernel Python':>14} {'checked C':>10} {'C':>9}  ratios", file=sys.stderr)
    for name, row in rows.items():
        print(
            f"{name:10} {row['python']:14.1f} {row['checked']:10.1f} {row['plain']:9.1f}"
            f"   {row['python'] / row['checked']:5.2f} {row['python'] / row['plain']:5.2f}",
            file=sys.stderr,
        )
    text = json.dumps(result, indent=1)
    print(text)
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


def measure() -> dict[str, dict[str, float]]:
    """Build and run the comparison."""
    toolchain = find_toolchain()
    program = compile_program(["kernel_functions"])
    if program.diagnostics:
        raise SystemExit("\n".join(map(str, program.diagnostics)))
    own = GCC_FLAGS if toolchain.family == "gcc" else ()
    flags = tuple(f for f in (*COMMON_FLAGS, *own) if not f.startswith(NOT_ON_THE_HOST))
    flags = (*flags, OPTIMISATION)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        objects = []
        for module, text in program.units.items():
            source = work / f"{module}.c"
            source.write_text(text, encoding="utf-8")
            objects.append(work / f"{module}.o")
            toolchain.compile(source, objects[-1], flags)
        for form, extra in (("checked", ("-DCHECKED",)), ("plain", ())):
            objects.append(work / f"{form}.o")
            toolchain.compile(HERE / "functions.c", objects[-1], (*flags, *extra))
        objects.append(work / "driver.o")
        toolchain.compile(HERE / "driver.c", objects[-1], ("-O2",))
        executable = work / "compare"
        link = [*toolchain.command, "-no-pie", *map(str, objects), "-o", str(executable)]
        subprocess.run(link, check=True)
        done = subprocess.run([executable], capture_output=True, text=True, check=True)
    return {row.pop("name"): row for row in map(json.loads, done.stdout.splitlines())}


def mean(ratios: list[float]) -> float:
    """Give the geometric mean."""
    return round(math.exp(sum(map(math.log, ratios)) / len(ratios)), 3)


if __name__ == "__main__":
    raise SystemExit(main())
