"""The least memory, in MiB, in which a static and a dynamic hello still print."""

from __future__ import annotations

import subprocess

from _measure import arguments, compiled, krait_command, report

MOST_MIB = 64


def main() -> None:
    """Measure and report."""
    options = arguments(__doc__ or "")
    result = {}
    for kind, flags, goal in (("static", ("-static",), 4), ("dynamic", (), 8)):
        program = compiled("hello.c", *flags, name=f"hello-{kind}")
        result[kind] = {"MiB": least([program]), "goal": goal}
    report("memory", {"least memory": result}, options.output)


def least(program: list[str]) -> int:
    """Bisect; what works must work three times."""
    low, high = 0, MOST_MIB
    while high - low > 1:
        middle = (low + high) // 2
        if all(works(program, middle) for _ in range(3)):
            high = middle
        else:
            low = middle
    return high


def works(program: list[str], mebibytes: int) -> bool:
    """Whether the program prints in so much memory."""
    command = krait_command(("-m", "64M"), program)
    command[command.index("-m") + 1] = f"{mebibytes}M"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return b"hello" in done.stdout


if __name__ == "__main__":
    main()
