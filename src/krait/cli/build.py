"""`krait build`: builds a kernel or an image, or shows what the compiler makes of a module."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import click

from krait import running
from krait.cli.messages import note, say
from krait.errors import UserError
from krait.kernels import find_kernel
from krait.machine.symbols import python_name

_EPILOG = """\b
Examples:
  krait build                                  the kernel that krait run boots
  krait build --least                          the smallest kernel
  krait build --dump c krait.kernel.fs.path    the C code of one module
  krait build -- python3 -c 'print(1)'         the image of a program; prints its path
  krait build --list IMAGE                     what is in an image
  krait build --app ruby                       the image of an app (krait apps lists them)
  krait build image=ruby                       the same, as OSv's scripts/build spells it
  krait build --trace-files -- ./server        with what it opens in one run on the host
"""

_STAGES = ("ast", "typed", "linear", "c")


@click.command(epilog=_EPILOG)
@click.option("--debug", is_flag=True, help="For debuggers: -O1, checks of heap and counts.")
@click.option("--least", is_flag=True, help="Only what a static program needs.")
@click.option("--dump", type=click.Choice(_STAGES), help="Print a module at this stage.")
@click.option("--list", "listed", metavar="IMAGE", help="List the files of an image.")
@click.option("-v", "--volume", "volumes", multiple=True, metavar="HOST:GUEST")
@click.option("--app", metavar="APP", help="Build a ready-made image.")
@click.option("--trace-files", is_flag=True, help="Add what the program opens on the host.")
@click.option("--trace-again", is_flag=True, help="Run it on the host again, and add to that.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def build(
    debug: bool,
    least: bool,
    dump: str | None,
    listed: str | None,
    volumes: tuple[str, ...],
    app: str | None,
    trace_files: bool,
    trace_again: bool,
    as_json: bool,
    arguments: tuple[str, ...],
) -> None:
    """Build the kernel, the image of a program, or print a module as the compiler sees it."""
    if debug and least:
        raise click.UsageError("--debug and --least exclude each other.")
    configuration = "debug" if debug else "least" if least else "default"
    if dump is not None:
        _dump(dump, arguments, configuration)
    elif listed is not None:
        _list(listed)
    elif app is not None or arguments:
        request = _request(app, list(arguments))
        request.traces_files, request.traces_again = trace_files, trace_again
        _build_image(request, volumes, as_json=as_json)
    else:
        _build_kernel(configuration, as_json=as_json)


def _list(image: str) -> None:
    from krait.image.listing import list_image

    for line in list_image(image, verify=True):
        click.echo(line)


def _dump(stage: str, modules: tuple[str, ...], configuration: str) -> None:
    if len(modules) != 1:
        raise click.UsageError("--dump needs one module, for example krait.kernel.fs.path.")
    from krait.compiler.own_process import run_compiler

    words = ("--configuration", configuration, "--check", "--dump", stage, *modules)
    if (done := run_compiler(*words)).returncode != 0:
        raise UserError(done.stderr.rstrip(), status=1)
    click.echo(done.stdout, nl=False)


def _build_kernel(configuration: str, *, as_json: bool) -> None:
    started = time.monotonic()
    kernel = find_kernel(configuration, note)
    facts = _facts(kernel.path)
    facts |= {"kernel": kernel.path, "symbols": kernel.symbols, "configuration": configuration}
    facts |= {"bytes": os.stat(kernel.path).st_size}
    facts |= {"waited_seconds": round(time.monotonic() - started, 2)}
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(kernel.path)
    click.echo(f"  {facts['bytes'] / 1024:.0f} KiB, {facts['waited_seconds']} s")
    if isinstance(share := facts.get("unsafe_share"), float):
        click.echo(f"  {share:.1%} of the lines of kernel Python are in unsafe modules")
    if isinstance(stack := facts.get("stack"), list):
        depth, functions = stack
        path = " > ".join(python_name(str(name)) for name in functions)
        click.echo(f"  deepest stack: {depth} bytes ({path})")


def _facts(kernel: str) -> dict[str, Any]:
    """What the compiler noted beside the kernel."""
    try:
        with open(os.path.join(os.path.dirname(kernel), "facts.json"), encoding="utf-8") as file:
            facts = json.load(file)
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _request(app: str | None, words: list[str]) -> running.Request:
    """Make a request of an app or of a program; `image=APP` is OSv's spelling of the former."""
    if app is None and len(words) == 1 and words[0].startswith("image="):
        app, words = words[0].removeprefix("image="), []
    if app is None:
        request = running.Request(words[0], words[1:])
        request.environment = running.host_environment()
        return request
    from krait.apps.catalogue import find_app
    from krait.apps.starting import request_of

    return request_of(find_app(app), words, note)


def _build_image(request: running.Request, volumes: tuple[str, ...], *, as_json: bool) -> None:
    from krait.cli.run import parse_volume

    request.volumes += [parse_volume(volume) for volume in volumes]
    request.announce = say if request.traces_files or request.traces_again else note
    prepared = running.prepare(request)
    if as_json:
        facts = {"image": str(prepared.path), "bytes": prepared.size}
        facts |= {"program": prepared.program_guest_path, "cached": prepared.from_cache}
        click.echo(json.dumps(facts))
    else:
        click.echo(f"{prepared.path}  {prepared.size / (1 << 20):.1f} MiB")
