"""Runs a program once on the host under strace(1) and keeps the list of files that it used.

What a program computes at run time (plug-ins, configuration, modules by name) no finder can know;
a run shows it. The list is kept by program, script and working directory, not by arguments: files
that one run used are there for a run with other arguments. `again` adds a further run's files to
what is known.

    ~/.cache/krait/traces/DIGEST        JSON, see `krait.image.finders.traced_files`

The run has no standard input, its output is thrown away, and it ends after a time limit: a server
never would by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from krait.cache_folder import cache_folder
from krait.image.errors import STATUS_FAILURE, STATUS_NOT_FOUND, ImageError
from krait.image.fast_path import GUEST_OWN
from krait.image.manifest import Manifest
from krait.image.program import Resolved, resolve_program
from krait.image.trace_lines import CALLS, Used, read_trace

SECONDS_DEFAULT: Final = 30.0
STRACE: Final = ("-f", "-qq", "-y", "-s", "4096", "-e", f"trace={CALLS}")


def trace_of(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    workdir: str,
    *,
    again: bool,
    seconds: float | None,
    announce: Callable[[str], None],
) -> str:
    """Give the path of the list for a program, made by a run on the host where there is none."""
    resolved = resolve_program(program, list(arguments), Manifest(), environment, workdir)
    path = _place(resolved, arguments, workdir)
    if os.path.exists(path) and not again:
        return path
    known = _known(path) if again else Used([], [])
    name = os.path.basename(program)
    announce(f"running {name} once on the host to see what it opens (its output is thrown away)")
    command = [resolved.path, *resolved.argv[1:]]
    variables = {**environment, **resolved.environment}
    used = _run(command, variables, workdir, seconds or SECONDS_DEFAULT)
    files = sorted({*known.files, *filter(_is_wanted, used.files)})
    folders = sorted({*known.folders, *filter(_is_wanted, used.folders)})
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump({"files": files, "folders": folders}, file, ensure_ascii=False)
    os.replace(temporary, path)
    return path


def _place(resolved: Resolved, arguments: Sequence[str], workdir: str) -> str:
    """Name the list: by the program, its script and where it runs."""
    named = [os.path.join(workdir, word) for word in arguments if not word.startswith("-")]
    script = next((path for path in named[:1] if os.path.isfile(path)), "")
    key = repr((resolved.path, resolved.scripts, script, workdir))
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return os.path.join(cache_folder(), "traces", digest)


def _known(path: str) -> Used:
    """Read an earlier list; an unreadable one is as none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            known = json.load(file)
        return Used(list(known["files"]), list(known["folders"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Used([], [])


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str,
    seconds: float,
) -> Used:
    """Run the program under strace and read what it wrote."""
    strace = shutil.which("strace")
    if strace is None:
        raise ImageError("--trace-files needs strace: apt-get install strace", STATUS_NOT_FOUND)
    with tempfile.TemporaryDirectory(prefix="krait-trace-") as folder:
        output = os.path.join(folder, "trace")
        process = subprocess.Popen(
            [strace, *STRACE, "-o", output, "--", *command],
            env=dict(environment),
            cwd=workdir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=seconds)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            _end(process)
            errors = b""
        try:
            with open(output, encoding="utf-8", errors="surrogateescape") as file:
                used = read_trace(file, workdir)
        except OSError:
            used = Used([], [])
    if not used.files:
        lines = [
            line for line in errors.decode("utf-8", "replace").splitlines() if "strace" in line
        ]
        reason = lines[0].partition("strace: ")[2] if lines else "nothing was opened"
        raise ImageError(f"{command[0]} could not be traced on the host: {reason}", STATUS_FAILURE)
    return used


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the traced program and all that it started: they are a session of their own."""
    for number, grace in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=grace)
            return


def _is_wanted(path: str) -> bool:
    """Leave out what the guest has itself and Krait's own cache."""
    below = path + "/"
    own = cache_folder() + "/"
    return not below.startswith((*(f"{folder}/" for folder in GUEST_OWN), own))
