"""Every command but `run`, gathered; each has a module of its own."""

from __future__ import annotations

import click

from krait import __version__
from krait.cli.abi import abi
from krait.cli.apps import apps
from krait.cli.bench import bench
from krait.cli.build import build
from krait.cli.clean import clean
from krait.cli.doctor import doctor
from krait.cli.lsof import lsof
from krait.cli.maps import maps
from krait.cli.messages import say
from krait.cli.ps import ps
from krait.cli.run_options import help_text
from krait.cli.stack import stack
from krait.cli.test import test
from krait.cli.threads import threads
from krait.cli.top import top

_EPILOG = """\b
Examples:
  krait run -- python3 -c 'print(6 * 7)'
  krait doctor
  krait COMMAND --help
"""


@click.group(
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="krait")
def commands() -> None:
    """Run unmodified Linux programs in virtual machines of their own."""


@commands.command("run", context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(arguments: tuple[str, ...]) -> None:
    """Run a program."""
    from krait.cli.run import main as run_main

    raise SystemExit(run_main(list(arguments)))


@commands.command("help")
@click.argument("command", required=False)
@click.pass_context
def show_help(context: click.Context, command: str | None) -> None:
    """Show the help of a command."""
    parent = context.parent
    assert parent is not None
    if command == "run":
        click.echo(help_text())
    elif command is None or (found := commands.get_command(parent, command)) is None:
        click.echo(commands.get_help(parent))
    else:
        with click.Context(found, info_name=command, parent=parent) as inner:
            click.echo(found.get_help(inner))


for _command in (build, abi, apps, test, bench, doctor, clean, ps, top, threads, lsof, maps, stack):
    commands.add_command(_command)


def main(arguments: list[str]) -> int:
    """Run one command and return the exit status."""
    if not arguments:
        arguments = ["--help"]
    try:
        result = commands.main(arguments, prog_name="krait", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return 128 + 2  # SIGINT
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "krait"
        say(f"{error.format_message()} See: {path} --help")
        return 2
    except click.ClickException as error:
        say(error.format_message())
        return error.exit_code
    return result if isinstance(result, int) else 0
