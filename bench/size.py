"""The kernel by configuration: file size, memory, share of unsafe code, deepest stack."""

from __future__ import annotations

import tempfile

from _measure import arguments, report

GOALS_KIB = {"default": 1024, "least": 384}


def main() -> None:
    """Build and report."""
    options = arguments(__doc__ or "")
    rows = {}
    for configuration, goal in GOALS_KIB.items():
        rows[configuration] = measure(configuration) | {"goal KiB": goal}
    report("size", {"kernel": rows}, options.output)


def measure(configuration: str) -> dict[str, object]:
    """Build one configuration in a process of its own, since its switches are global."""
    import json
    import subprocess
    import sys

    with tempfile.TemporaryDirectory() as folder:
        code = "from krait.compiler.build import build_kernel; import sys\n"
        code += "build_kernel(sys.argv[1], sys.argv[2])"
        subprocess.run([sys.executable, "-c", code, configuration, f"{folder}/k"], check=True)
        with open(f"{folder}/k/facts.json", encoding="utf-8") as file:
            facts = json.load(file)
    return {
        "file KiB": round(facts["size"] / 1024, 1),
        "memory KiB": round(facts["loaded"] / 1024, 1),
        "unsafe share": facts["unsafe_share"],
        "deepest stack, bytes": facts["stack"][0],
        "build, seconds": facts["seconds"],
    }


if __name__ == "__main__":
    main()
