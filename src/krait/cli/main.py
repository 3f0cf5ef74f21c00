"""Takes a command line to its command.

`run` is parsed by hand (`run_options`): click alone costs more time to import than a cached run of
a small program takes. Every other command uses click and rich.
"""

from __future__ import annotations

import os
import sys

from krait.cli.messages import say
from krait.errors import STATUS_FAILED, UserError

TRACEBACK_SWITCH = "KRAIT_TRACEBACK"


def main() -> int:
    """Run the command line of this process and return its exit status."""
    from krait.machine.descriptors import open_missing

    open_missing()
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["run"]:
            from krait.cli.run import main as run

            return run(arguments[1:])
        from krait.site_packages import add_site_packages

        add_site_packages()
        from krait.cli.commands import main as others

        return others(arguments)
    except Exception as error:  # noqa: BLE001  the last resort: no traceback reaches a user
        return report(error)
    except KeyboardInterrupt:
        return 128 + 2  # SIGINT


def report(error: Exception) -> int:
    """Tell the user, in one line, and return the exit status."""
    if os.environ.get(TRACEBACK_SWITCH):
        import traceback

        traceback.print_exc()
    if isinstance(error, UserError):
        say(error.message)
        return error.status
    if isinstance(error, BrokenPipeError):
        _detach_output()
        return 128 + 13  # SIGPIPE
    say(
        f"internal error: {type(error).__name__}: {error} "
        f"(set {TRACEBACK_SWITCH}=1 to see where, and please report it)"
    )
    return STATUS_FAILED


def _detach_output() -> None:
    """Keep the interpreter from flushing into the broken pipe at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
