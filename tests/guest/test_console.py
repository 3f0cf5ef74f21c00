"""The program's standard files, its terminal and its signals, as the user's shell sees them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.conftest import MAIN

pytestmark = pytest.mark.guest

LIMIT_S = 25
KRAIT = [sys.executable, "-I", str(MAIN), "run", "--"]
PYTHON = ["/usr/bin/python3", "-S", "-E"]


def run(*command: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run a program in a machine, its output captured."""
    options.setdefault("capture_output", True)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*KRAIT, *command], timeout=LIMIT_S, check=False, **options
    )


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 300_001])
def test_input_passes_through(size: int) -> None:
    data = os.urandom(size)
    done = run("/bin/cat", input=data)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == data


def test_empty_input_is_end_of_file() -> None:
    done = run("/bin/cat")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_number_of_bytes_that_wait() -> None:
    """FIONREAD on standard input, by which Java's `System.in.available()` goes."""
    code = (
        "import array, fcntl, os, select, termios\n"
        "def waiting():\n"
        "    number = array.array('i', [-1])\n"
        "    select.select([0], [], [])\n"
        "    fcntl.ioctl(0, termios.FIONREAD, number)\n"
        "    return number[0]\n"
        "print(waiting(), os.read(0, 2), waiting(), os.read(0, 9), waiting())\n"
    )
    done = run(*PYTHON, "-c", code, input=b"12345")
    assert (done.stdout, done.stderr) == (b"5 b'12' 3 b'345' 0\n", b"")


def test_bad_address_takes_no_input() -> None:
    """EFAULT leaves the bytes to the next who reads; a page that no byte goes to may be missing."""
    code = (
        "import ctypes, mmap, os\n"
        "read = ctypes.CDLL(None, use_errno=True).read\n"
        "room = mmap.mmap(-1, 8192)\n"
        "start = ctypes.addressof(ctypes.c_char.from_buffer(room))\n"
        "protect = ctypes.CDLL(None).mprotect\n"
        "protect(ctypes.c_void_p(start + 4096), 4096, 0)\n"
        "print(read(0, ctypes.c_void_p(start + 4096), 3), ctypes.get_errno())\n"
        "print(read(0, ctypes.c_void_p(start + 4092), 100), room[4092:4096], os.read(0, 9))\n"
    )
    done = run("/usr/bin/python3", "-E", "-c", code, input=b"1234")
    assert (done.stdout, done.stderr) == (b"-1 14\n4 b'1234' b''\n", b"")


def test_closed_input() -> None:
    words = " ".join([*KRAIT, "/bin/cat"])
    done = subprocess.run(
        ["sh", "-c", f"{words} <&-"], capture_output=True, timeout=LIMIT_S, check=False
    )
    assert done.stdout == b""


def test_input_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"line\n" * 50_000)
    with path.open("rb") as file:
        done = run("/usr/bin/wc", "-l", stdin=file)
    assert done.stdout.strip() == b"50000"


def test_large_output_and_a_slow_reader() -> None:
    command = [*KRAIT, "/usr/bin/seq", "300000"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    time.sleep(1.5)
    data = process.stdout.read()
    assert process.wait(LIMIT_S) == 0
    assert data == b"".join(b"%d\n" % number for number in range(1, 300_001))


def test_output_and_errors_are_separate() -> None:
    done = run("/bin/sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_output_appends_to_a_shared_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    words = " ".join(KRAIT)
    script = f"(echo first; {words} /bin/echo second; echo third) > {path} 2>&1"
    subprocess.run(["sh", "-c", script], stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=True)
    assert path.read_text() == "first\nsecond\nthird\n"


def test_lost_reader_ends_the_machine() -> None:
    process = subprocess.Popen(
        [*KRAIT, "/usr/bin/yes"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.read(2) == b"y\n"
    process.stdout.close()
    assert process.wait(LIMIT_S) == 141


LOSES_READER = """
import errno, os, select, sys
lost = int(sys.argv[1])
os.write(lost, b"ready\\n")
poll = select.poll()
poll.register(lost, 0)  # goes on without a reader, until it writes
events = poll.poll(20_000)
try:
    os.write(lost, b"nobody")
except BrokenPipeError as error:  # CPython ignores SIGPIPE
    os.write(3 - lost, b"%s, poll %d\\n" % (errno.errorcode[error.errno].encode(), events[0][1]))
    sys.exit(5)
"""


@pytest.mark.parametrize("prefix", [[], KRAIT], ids=["host", "krait"])
@pytest.mark.parametrize("lost", [1, 2])
def test_program_that_ignores_sigpipe(prefix: list[str], lost: int) -> None:
    with subprocess.Popen(
        [*prefix, *PYTHON, "-c", LOSES_READER, str(lost)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        streams = (
            [process.stdout, process.stderr] if lost == 1 else [process.stderr, process.stdout]
        )
        gone, kept = (stream for stream in streams if stream is not None)
        assert gone.readline() == b"ready\n"
        gone.close()
        assert kept.read() == b"EPIPE, poll 8\n"
        assert process.wait(LIMIT_S) == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_reaches_the_program(number: signal.Signals) -> None:
    script = (
        "import os, signal, sys, time\n"
        "def end(number, frame): os.write(1, b'got %d\\n' % number); sys.exit(9)\n"
        f"signal.signal({int(number)}, end)\n"
        "os.write(1, b'ready\\n')\n"
        "while True: time.sleep(0.05)\n"  # a long sleep may begin after CPython's last look
    )
    process = subprocess.Popen(
        [*KRAIT, *PYTHON, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.stdout.read() == b"got %d\n" % number
    assert process.wait(LIMIT_S) == 9


def test_default_action_of_a_forwarded_signal() -> None:
    script = "print('ready', flush=True); import time; time.sleep(30)"
    process = subprocess.Popen(
        [*KRAIT, *PYTHON, "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(LIMIT_S) == 128 + signal.SIGTERM


class Terminal:
    """A program in a machine, on a pseudo terminal."""

    def __init__(self, *command: str, start: Sequence[str] = KRAIT) -> None:
        self.ours, theirs = pty.openpty()
        self.resize(24, 80)
        environment = {**os.environ, "TERM": "dumb"}

        def take_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [*start, *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            preexec_fn=take_terminal,  # noqa: PLW1509  no threads here
        )
        os.close(theirs)
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        """What a window manager does."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, keys: bytes) -> None:
        """Type."""
        os.write(self.ours, keys)

    def expect(self, pattern: bytes) -> bytes:
        """Read until the pattern is there; gives what came up to its end."""
        deadline = time.monotonic() + LIMIT_S
        while (match := re.search(pattern, self.seen)) is None:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.ours], [], [], max(left, 0))
            assert ready, f"{pattern!r} did not come: {self.seen!r}"
            try:
                data = os.read(self.ours, 65536)
            except OSError:
                data = b""
            assert data, f"the program ended: {self.seen!r}"
            self.seen += data
        before = self.seen[: match.end()]
        self.seen = self.seen[match.end() :]
        return before

    def wait(self) -> int:
        """The exit status, taking what else is written."""
        deadline = time.monotonic() + LIMIT_S
        while self.process.poll() is None and time.monotonic() < deadline:
            ready, _, _ = select.select([self.ours], [], [], 0.05)
            if ready:
                try:
                    self.seen += os.read(self.ours, 65536)
                except OSError:
                    break
        return self.process.wait(5)


@pytest.fixture
def on_terminal() -> Iterator[list[Terminal]]:
    """Terminals to close."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()
        os.close(terminal.ours)


def test_repl(on_terminal: list[Terminal]) -> None:
    terminal = Terminal(*PYTHON, "-q", "-i")
    on_terminal.append(terminal)
    terminal.expect(rb">>> ")
    terminal.send(b"6 * 7\r")
    terminal.expect(rb"\r\n42\r\n>>> ")
    terminal.send(b"import time; time.sleep(20)\r")
    time.sleep(1)
    terminal.send(b"\x03")
    terminal.expect(rb"KeyboardInterrupt\r\n>>> ")
    terminal.send(b"import os; os.isatty(0), os.isatty(1), os.isatty(2)\r")
    terminal.expect(rb"\(True, True, True\)\r\n>>> ")
    terminal.send(b"\x04")
    assert terminal.wait() == 0


def test_escape_key(on_terminal: list[Terminal]) -> None:
    terminal = Terminal("/bin/cat")
    on_terminal.append(terminal)
    terminal.send(b"abc\r")
    terminal.expect(rb"abc\r\nabc\r\n")
    terminal.send(b"\x01x")
    assert terminal.wait() == 143


def test_interrupt_ends_a_program_that_does_not_mind(on_terminal: list[Terminal]) -> None:
    terminal = Terminal("/bin/cat")
    on_terminal.append(terminal)
    terminal.send(b"abc\r")
    terminal.expect(rb"abc\r\nabc\r\n")
    terminal.send(b"\x03")
    assert terminal.wait() == 130


@pytest.mark.parametrize("start", [(), KRAIT], ids=["host", "guest"])
def test_input_signals(
    on_terminal: list[Terminal], build_program: Callable[..., str], start: Sequence[str]
) -> None:
    """O_ASYNC: SIGIO, or the signal of F_SETSIG, for each line; to the foreground group."""
    program = build_program("guest/programs/async.c", "-static", "-pthread")
    terminal = Terminal(program, "terminal", start=start)
    on_terminal.append(terminal)
    terminal.expect(rb"owned 1\r\ntype\r\n")
    terminal.send(b"abc\r")
    terminal.expect(rb"IO 1 read 4\r\n.*: 0\r\ntype\r\n")
    terminal.send(b"de\r")
    terminal.expect(rb"RT 1 code 1 band 41 fd 0 read 3\r\n")
    terminal.expect(rb"what was written: 0\r\ntype three lines\r\n")
    terminal.send(b"f\rgh\rijk\r")
    terminal.expect(rb"RT 3 read 2 3 4\r\nno more: 0\r\n.*\r\ntype a key\r\n")
    terminal.send(b"l")
    terminal.expect(rb"RT 1\r\nno more: 0\r\n")
    assert terminal.wait() == 0


def test_window_size(on_terminal: list[Terminal]) -> None:
    script = (
        "import os, signal, time\n"
        "def show(word): os.write(1, f'{word} {os.get_terminal_size()}\\n'.encode())\n"
        "signal.signal(signal.SIGWINCH, lambda *_: show('now'))\n"
        "show('first')\n"
        "time.sleep(2); time.sleep(2)\n"
    )
    terminal = Terminal(*PYTHON, "-c", script)
    on_terminal.append(terminal)
    terminal.expect(rb"first os.terminal_size\(columns=80, lines=24\)")
    terminal.resize(50, 132)
    terminal.expect(rb"now os.terminal_size\(columns=132, lines=50\)")
    assert terminal.wait() == 0


def test_line_editing(on_terminal: list[Terminal]) -> None:
    terminal = Terminal("/bin/cat")
    on_terminal.append(terminal)
    terminal.send(b"abX\x7fc\r")
    terminal.expect(rb"\r\nabc\r\n")
    terminal.send(b"\x04")
    assert terminal.wait() == 0
