"""`krait run --dry-run`: the monitor's command, as one may paste it into a shell."""

from __future__ import annotations

import json
import shlex

from krait.kernel.protocol import boot_words
from krait.machine.machine import Channel, Plumbing
from krait.running import Plan


def print_command(planned: Plan, *, as_json: bool) -> None:
    """Print the command with consoles that need nobody but a terminal: input is left out."""
    planned.guest.words.append((boot_words.INPUT, boot_words.INPUT_NONE))
    plumbing = Plumbing(
        output=Channel(Channel.PATH, path="/dev/stdout"),
        errors=Channel(Channel.PATH, path="/dev/stderr"),
        reads_input=False,
        control=Channel(Channel.NOWHERE),
        control_input=Channel(Channel.NOWHERE),
        log=Channel(Channel.PATH, path="/dev/stderr"),
        outcome=Channel(Channel.PATH, path="/dev/null"),
    )
    command = planned.machine.command(planned.guest, plumbing, planned.accelerator.name)
    print(json.dumps(command) if as_json else shlex.join(command))
