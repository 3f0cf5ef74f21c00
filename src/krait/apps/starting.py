"""Makes of an app what `krait run` starts, and runs its own test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import NamedTuple

from krait import running
from krait.apps.building import placed
from krait.apps.definition import App
from krait.errors import UserError


class Report(NamedTuple):
    """How an app's test ended; `problem` is empty when it passed."""

    seconds: float
    problem: str
    output: str
    errors: str


def request_of(
    app: App, arguments: list[str], announce: Callable[[str], None], *, smoke: bool = False
) -> running.Request:
    """Build an app and make its request; arguments given replace those of the definition."""
    app = placed(app, announce)
    own = app.smoke.arguments if smoke and app.smoke.arguments is not None else app.arguments
    request = running.Request(_program(app), arguments or own)
    request.environment = running.host_environment() | app.environment
    request.memory_bytes = app.memory_bytes
    request.cpus = app.cpus
    request.finder = app.finder
    request.directory = app.folder
    request.announce = announce
    for file in app.files:
        host, found, guest = file.partition(":")
        path = os.path.join(app.folder, host)
        if not os.path.exists(path):
            raise UserError(f"app {app.name}: files: {host}: no such file or folder")
        if found:
            if not guest.startswith("/"):
                raise UserError(f"app {app.name}: files: {file}: the guest's path must be absolute")
            request.volumes.append(f"{path}:{guest}")
        else:
            request.files.append(path)
    return request


def check(app: App, announce: Callable[[str], None]) -> Report:
    """Run an app's own test: status and output must be what the definition says."""
    from krait.captured import run_captured

    started = time.monotonic()
    request = request_of(app, [], announce, smoke=True)
    request.timeout_s = app.smoke.timeout_s
    result = run_captured(request, app.smoke.input.encode())
    output = result.stdout.decode("utf-8", "replace")
    errors = result.stderr.decode("utf-8", "replace") + result.log.decode("utf-8", "replace")
    problem = _problem(app, output, result.status)
    return Report(time.monotonic() - started, problem, output, errors)


def _program(app: App) -> str:
    """Give the program: a file beside the definition wins over PATH when it is named by a path."""
    return os.path.join(app.folder, app.program) if "/" in app.program else app.program


def _problem(app: App, output: str, status: int) -> str:
    """Say what is not as the definition says."""
    smoke = app.smoke
    if smoke.output is not None and output != smoke.output:
        return f"status {status}, and its output is not the expected one"
    if smoke.matches is not None and not smoke.matches.search(output):
        return f"status {status}, and its output does not match '{smoke.matches.pattern}'"
    if status != smoke.status:
        return f"status {status} where {smoke.status} is expected"
    return ""
