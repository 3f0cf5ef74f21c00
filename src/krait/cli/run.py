"""`krait run`: runs a program in a virtual machine."""

from __future__ import annotations

import os

from krait import running
from krait.cli.messages import note, say
from krait.cli.run_options import help_text, parse
from krait.errors import UserError
from krait.machine.descriptors import Standard
from krait.running import Plan, Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from krait.machine.outcome import Outcome
    from krait.machine.symbols import LogSymboliser

_ARCHITECTURES = ("x86_64",)
_MONITORS = ("qemu",)
_SAMPLES_HZ = 997
"""A prime, so that samples keep no step with a program's own timers."""
_PROFILE_PATH = "profile.svg"


def main(arguments: list[str]) -> int:
    """Run the command and return the exit status."""
    chosen, rest = parse(arguments)
    if chosen.get("help"):
        print(help_text())
        return 0
    if not rest and "app" not in chosen:
        raise UserError("run: which program? See: krait run --help")
    _check_directory()
    request = _request(chosen, rest)
    if chosen.get("json") and not chosen.get("dry_run"):
        return _run_captured(request)
    standard = Standard()
    planned = running.plan(request)
    if chosen.get("dry_run"):
        from krait.cli.dry_run import print_command

        print_command(planned, as_json=bool(chosen.get("json")))
        return 0
    if planned.accelerator.is_news:
        note(f"running under {planned.accelerator.name}: {planned.accelerator.reason}")
    return _run(planned, request, standard)


def _run(planned: Plan, request: Request, standard: Standard) -> int:
    counters: dict[int, int] = {}
    if request.charts_boot:
        from krait.cli.bootchart import count_instructions

        counters = count_instructions(planned)
    profile = None
    if request.samples_hz:
        from krait.kernel.protocol.control import MessageType
        from krait.machine.profile import Profile

        profile = Profile()
        planned.listeners[MessageType.PROFILE] = profile.take
    log = _Log(planned.kernel.symbols, terminal=bool(standard.terminals))
    outcome = running.run(planned, standard, log.write)
    log.end()
    _report(outcome)
    if profile is not None:
        from krait.cli.profile import write_profile

        write_profile(profile, planned, request.profile_path)
    if request.charts_boot:
        from krait.cli.bootchart import print_chart

        print_chart(outcome, counters)
    return outcome.status


def _run_captured(request: Request) -> int:
    import json

    from krait.captured import run_captured

    result = run_captured(request)
    print(json.dumps(result.as_dictionary(), ensure_ascii=False))
    return result.status


def _report(outcome: Outcome) -> None:
    """One line, where the program's own end does not speak for itself."""
    if outcome.message and outcome.kind != "exit":
        say(outcome.message)


class _Log:
    """The kernel's log on standard error, with backtraces resolved."""

    def __init__(self, symbols: str, *, terminal: bool) -> None:
        self._symboliser: LogSymboliser | None = None
        self._symbols = symbols
        self._line_end = b"\r\n" if terminal else b"\n"

    def write(self, data: bytes) -> None:
        """Take what has come from the kernel."""
        self._put(self._lines().feed(data))

    def end(self) -> None:
        """Show an unfinished last line."""
        if self._symboliser is not None:
            self._put(self._lines().rest())

    def _lines(self) -> LogSymboliser:
        if self._symboliser is None:
            from krait.machine.symbols import LogSymboliser

            self._symboliser = LogSymboliser(self._symbols)
        return self._symboliser

    def _put(self, data: bytes) -> None:
        if data:
            os.write(2, data.replace(b"\r\n", b"\n").replace(b"\n", self._line_end))


def _request(chosen: dict[str, object], rest: list[str]) -> Request:
    """The request that the switches describe."""
    text = {key: value for key, value in chosen.items() if isinstance(value, str)}
    _check(text.get("arch"), "architecture", _ARCHITECTURES)
    _check(text.get("vmm"), "monitor", _MONITORS)
    request = _app_request(text["app"], rest) if "app" in text else _program_request(rest)
    if "memory" in text:
        request.memory_bytes = running.parse_memory(text["memory"])
    if "cpus" in text:
        request.cpus = _count(text["cpus"])
    request.environment = _environment(_listed(chosen, "env"), request.environment)
    request.volumes += [parse_volume(volume) for volume in _listed(chosen, "volumes")]
    request.directory = text.get("workdir", request.directory)
    request.traces_files = bool(chosen.get("trace_files"))
    request.traces_again = bool(chosen.get("trace_again"))
    if "timeout" in text:
        request.timeout_s = _seconds(text["timeout"])
    request.machine = text.get("machine", request.machine)
    request.accelerator = text.get("accel", request.accelerator)
    request.root = text.get("root", request.root)
    request.kernel = text.get("kernel")
    request.image = text.get("image")
    request.name = text.get("name")
    request.kernel_words = text.get("kernel_args", "")
    request.traces_calls = bool(chosen.get("strace"))
    request.charts_boot = bool(chosen.get("bootchart"))
    if "profile" in text:
        request.samples_hz = _SAMPLES_HZ
        request.profile_path = text["profile"] or _PROFILE_PATH
        _check_writable(request.profile_path)
    for configuration in ("least", "debug"):
        if chosen.get(configuration):
            request.configuration = configuration
    traced = request.traces_files or request.traces_again
    request.announce = say if traced else note  # who asks for a trace wants to know what it added
    return request


def _program_request(words: list[str]) -> Request:
    """A program with its arguments, or the folder of an app with other arguments than its own."""
    if "/" in words[0] and os.path.exists(os.path.join(words[0], "app.toml")):
        return _app_request(words[0], words[1:])
    request = Request(words[0], words[1:])
    request.environment = running.host_environment()
    return request


def _app_request(wanted: str, arguments: list[str]) -> Request:
    """The request of a ready-made image; imported where it is needed."""
    from krait.site_packages import add_site_packages

    add_site_packages()
    from krait.apps.catalogue import find_app, missing_of
    from krait.apps.starting import request_of

    app = find_app(wanted)
    try:
        return request_of(app, arguments, note)
    except UserError as error:
        missing = missing_of(app.packages)
        if not missing:
            raise
        needed = f"{error.message}; krait apps --install {app.name} installs {', '.join(missing)}"
        raise UserError(needed, status=error.status) from None


def _check_directory() -> None:
    """The program starts where the user is; that must be somewhere."""
    try:
        os.getcwd()
    except OSError:
        raise UserError("the current directory does not exist any more; cd to another") from None


def _check_writable(path: str) -> None:
    """The profile must have somewhere to go before the program runs."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK) or os.path.isdir(path):
        raise UserError(f"--profile: {path} cannot be written")


def _check(value: str | None, what: str, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise UserError(f"unknown {what} '{value}'; there are: {', '.join(known)}")


def _listed(chosen: dict[str, object], key: str) -> list[str]:
    values = chosen.get(key, [])
    assert isinstance(values, list)
    return values


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:
        raise UserError(f"-c: '{text}' is not a number of CPUs from 1 to 64")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e9:
        raise UserError(f"--timeout: '{text}' is not a number of seconds above 0")
    return seconds


def _environment(changes: list[str], environment: dict[str, str]) -> dict[str, str]:
    """The environment with the changes asked for."""
    environment = dict(environment)
    for change in changes:
        name, found, value = change.partition("=")
        if not name:
            raise UserError(f"-e: '{change}' has no name; write -e NAME=VALUE")
        if found:
            environment[name] = value
        elif name not in environment:
            raise UserError(f"-e: {name} is not set here; write -e {name}=VALUE")
    return environment


def parse_volume(text: str) -> str:
    """Check a `HOST:GUEST` pair and make its host path absolute."""
    host, found, guest = text.partition(":")
    if not found or not host or not guest.startswith("/"):
        raise UserError(f"-v: '{text}' is not HOST:GUEST with an absolute path in the guest")
    if not os.path.exists(host):
        raise UserError(f"-v: {host} does not exist")
    return f"{os.path.abspath(host)}:{guest}"
