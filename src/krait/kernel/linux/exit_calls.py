"""Ending: exit_group(2) ends the process, and with the only process the run."""

from __future__ import annotations

from typing import NoReturn

from krait.kernel.drivers import outcome
from krait.kernel.lang import log, syscall, u32
from krait.kernel.linux.task import WORK_TRACE, current_task


@syscall("exit_group")
def exit_group(status: u32) -> None:
    """End all threads of the process."""
    end_process(status)


def end_process(status: u32) -> NoReturn:
    """Report the status; nothing is closed or freed, since the machine ends with its only process.

    What was written has left, or is in the consoles' rings, which the end waits for.
    """
    if current_task().work & WORK_TRACE != 0:
        log("+++ exited with {} +++", status & 0xFF)
    outcome.exit(status & 0xFF)
