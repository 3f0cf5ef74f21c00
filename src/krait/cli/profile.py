"""`krait run --profile`: writes what was sampled."""

from __future__ import annotations

import os

from krait.cli.messages import say
from krait.errors import UserError
from krait.machine.flame_graph import draw
from krait.machine.profile import Profile, folded
from krait.running import Plan

_FOLDED = ".folded"


def write_profile(profile: Profile, planned: Plan, path: str) -> None:
    """Write a flame graph, or folded text where the file's name asks for it."""
    if not profile.count:
        say("no samples: the program ended too soon, or the kernel cannot sample (--least)")
        return
    chains = profile.chains(planned.kernel.symbols, planned.guest.image or "")
    if path.endswith(_FOLDED):
        text = folded(chains)
    else:
        title = os.path.basename(planned.program)
        lost = f", {profile.lost} lost" if profile.lost else ""
        text = draw(chains, title, f"{profile.count} samples{lost}")
    try:
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"--profile: {path}: {error.strerror}") from None
    say(f"{profile.count} samples in {path}")
