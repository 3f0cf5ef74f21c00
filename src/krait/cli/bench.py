"""`krait bench`: runs the measurements under bench/."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from krait.checkout import checkout_folder
from krait.errors import UserError

_EPILOG = """\b
Examples:
  krait bench                 list the measurements
  krait bench boot            run one; its JSON goes to standard output
  krait bench codegen --runs 3
"""


@click.command(
    epilog=_EPILOG,
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
)
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, arguments: tuple[str, ...]) -> int:
    """Run a measurement of bench/, or list them."""
    scripts = find_scripts()
    if name is None:
        for script in sorted(scripts):
            click.echo(f"{script:<16} {_purpose(scripts[script])}")
        return 0
    if name not in scripts:
        raise UserError(f"unknown measurement '{name}'; there are: {', '.join(sorted(scripts))}")
    command = [sys.executable, scripts[name], *arguments]
    environment = {**os.environ, "PYTHONPATH": os.path.join(checkout_folder(), "src")}
    return subprocess.run(command, check=False, env=environment).returncode


def find_scripts() -> dict[str, str]:
    """`bench/NAME.py` and `bench/NAME/run.py`, by name."""
    folder = os.path.join(checkout_folder(), "bench")
    scripts = {}
    for entry in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, entry)
        if entry.endswith(".py") and not entry.startswith("_"):
            scripts[entry.removesuffix(".py")] = path
        elif os.path.exists(inner := os.path.join(path, "run.py")):
            scripts[entry] = inner
    return scripts


def _purpose(path: str) -> str:
    """The first line of a script's docstring."""
    import ast

    with open(path, encoding="utf-8") as file:
        text = ast.get_docstring(ast.parse(file.read())) or ""
    return text.split("\n")[0]
