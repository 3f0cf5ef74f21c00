"""Questions to a running machine and their answers: names, routes, and decoders that hold."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krait.cli.stack import chains
from krait.cli.table import size, text_of
from krait.cli.top import compared
from krait.kernel.protocol import look
from krait.kernel.protocol.control import MessageType
from krait.kernel.protocol.look import NOBODY, Question, Record, State
from krait.machine import looking, registry
from krait.machine.control_link import ControlLink
from krait.machine.demangling import demangled
from krait.machine.errors import MachineError
from krait.machine.looking import SHAPES, Answer, LookError
from krait.machine.loop import Loop
from krait.machine.program_symbols import ProgramSymbols, Span, SymbolTable
from krait.machine.questions import QuestionServer
from krait.machine.registry import Registration

FACTS = {"program": "/usr/bin/web server", "command": "web", "memory": "1048576", "cpus": "2"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines of the tests are nobody else's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ("long" * 40)))


def record(kind: Record, *values: int, text: bytes = b"") -> bytes:
    """One record of an answer."""
    body = SHAPES[kind].structure.pack(*values) + text
    return struct.pack("<HH", kind, len(body)) + body


def thread(tid: int, cpu_ns: int, state: int = State.RUNNING, call: int = NOBODY) -> bytes:
    """A THREAD record."""
    return record(Record.THREAD, tid, 1, state, 0, 20, 0, 0, call, 0, cpu_ns, 5, 1, text=b"name")


def reply(*records: bytes, number: int = 1, flags: int = look.LAST, code: int = 0) -> bytes:
    """The payload of one reply."""
    return struct.pack("<HHII", look.VERSION, flags, number, code) + b"".join(records)


def answer_of(*records: bytes) -> Answer:
    """A whole answer."""
    answer = Answer()
    assert answer.take(reply(*records), 1)
    return answer


def test_an_answer_comes_in_parts() -> None:
    answer = Answer()
    assert not answer.take(reply(thread(1, 10), flags=0), 1)
    assert not answer.take(reply(thread(9, 10), number=2), 1)  # somebody else's
    assert answer.take(reply(thread(2, 20), struct.pack("<HH", 99, 2) + b"??"), 1)
    assert [each.tid for each in answer.of(Record.THREAD)] == [1, 2]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        reply()[:-1],
        reply(thread(1, 1)[:-1]),
        reply(struct.pack("<HH", Record.THREAD, 3) + b"abc"),
        reply(struct.pack("<HH", Record.THREAD, 0xFFFF)),
        struct.pack("<HHII", 99, 1, 1, 0),
        reply(code=3),
    ],
)
def test_what_makes_no_sense_is_one_line(payload: bytes) -> None:
    with pytest.raises(LookError):
        Answer().take(payload, 1)


@given(st.binary(max_size=200))
def test_no_answer_does_harm(data: bytes) -> None:
    for payload in (data, reply(data)):
        with contextlib.suppress(LookError):
            Answer().take(payload, 1)


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_of_the_guest_do_harm(pieces: list[bytes]) -> None:
    near, far = socket.socketpair()
    with near, far:
        link = ControlLink(near)
        link.on(MessageType.LOOK_REPLY, lambda payload: None)
        all(link.feed(piece) for piece in pieces)


def test_nonsense_is_read_to_its_end() -> None:
    """A guest whose words make no sense does not wait for somebody to take them."""
    near, far = socket.socketpair()
    with near, far:
        loop = Loop()
        ControlLink(near).listen(loop)
        far.setblocking(False)
        for _ in range(64):
            far.sendall(b"\xff" * 8192)
            loop.step(0)


@given(st.binary(max_size=300))
def test_no_elf_file_does_harm(data: bytes) -> None:
    for content in (data, b"\x7fELF\x02" + data, Path("/bin/true").read_bytes()[:3000] + data):
        SymbolTable(content).name_at(4096)


def test_names_of_functions() -> None:
    libc = Path("/usr/lib/x86_64-linux-gnu/libc.so.6").read_bytes()
    table = SymbolTable(libc)
    names = {table.name_at(offset) for offset in range(0, len(libc), 64)}
    assert {"printf", "qsort_r"} & names
    symbols = ProgramSymbols("", [Span(0x1000, 0x2000, 0, "[heap]")], b"3000 10 jitted\nbroken\n")
    assert symbols.name(0x1800) == "[heap]"
    assert symbols.name(0x3008) == "jitted"
    assert symbols.name(0x9000) == "0x9000"


def test_a_machine_is_found_by_its_name() -> None:
    first = Registration("web", FACTS)
    second = Registration(None, FACTS)
    assert second.name == f"webserver-{os.getpid()}"
    assert [entry.name for entry in registry.running()] == ["web", second.name]
    assert registry.find("web").facts["cpus"] == "2"
    assert registry.find("webs").name == second.name
    with pytest.raises(MachineError, match="several machines: web, webserver"):
        registry.find("we")
    with pytest.raises(MachineError, match="running already"):
        Registration("web", FACTS)
    folder = Path(registry.folder_path())
    assert (folder / "web.sock").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    first.close()
    second.close()
    with pytest.raises(MachineError, match="none is running"):
        registry.find("web")


def test_an_entry_left_over_goes() -> None:
    folder = Path(registry.folder_path())
    folder.mkdir(parents=True)
    (folder / "gone.vm").write_text("pid 1\n")
    (folder / "gone.sock").write_text("")
    assert registry.running() == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["", "a/b", "-x", ".x", "a b", "x" * 65])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(MachineError, match="is no name"):
        Registration(name, FACTS)


@pytest.fixture
def guest() -> Iterator[socket.socket]:
    """The guest's end of a served machine called `web`; the server runs in a thread."""
    registration = Registration("web", FACTS)
    near, far = socket.socketpair()
    loop = Loop()
    link = ControlLink(near)
    link.listen(loop)
    QuestionServer(loop, registration.listener, link)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            loop.step(20)

    server = threading.Thread(target=serve)
    server.start()
    yield far
    ended.set()
    server.join()
    for each in (near, far):
        each.close()
    registration.close()


def answer_once(guest: socket.socket, *records: bytes) -> None:
    """Be the guest for one question."""
    message = guest.recv(24, socket.MSG_WAITALL)
    kind, _, _, version, question, number, _ = struct.unpack("<HHIHHIQ", message)
    assert (kind, version) == (MessageType.LOOK, look.VERSION)
    assert question == Question.SNAPSHOT
    payload = reply(*records, number=number)
    guest.sendall(struct.pack("<HHI", MessageType.LOOK_REPLY, 0, len(payload)) + payload)


def test_a_question_goes_there_and_back(guest: socket.socket) -> None:
    other = threading.Thread(target=answer_once, args=(guest, *[thread(n, n) for n in range(900)]))
    other.start()
    answer = looking.ask(registry.find("web"), Question.SNAPSHOT)
    other.join()
    assert [each.tid for each in answer.of(Record.THREAD)] == list(range(900))


def test_silence_has_an_end(guest: socket.socket) -> None:
    with pytest.raises(LookError, match="has not answered"):
        looking.ask(registry.find("web"), Question.SNAPSHOT, timeout_s=0.2)


def test_a_client_that_talks_nonsense_is_sent_away(guest: socket.socket) -> None:
    with registry.find("web").connect(2) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: machine\r\n\r\n")
        assert connection.recv(1) == b""


def test_top_computes_shares() -> None:
    def snapshot(uptime: int, busy: int) -> Answer:
        return answer_of(
            record(Record.MACHINE, uptime, 1, 1024, 0, 0, 1 << 20, 1 << 19, 7, text=b"host"),
            record(Record.CPU, 0, NOBODY, uptime - busy),
            thread(1, busy),
            thread(2, 0, State.SLEEPING, 35),
        )

    view = compared(snapshot(10**9, 10**8), snapshot(3 * 10**9, 16 * 10**8))
    assert view["cpus"] == [{"cpu": 0, "busy": 75.0}]
    assert [(each["tid"], each["share"], each["call"]) for each in view["threads"]] == [
        (1, 75.0, None),
        (2, 0.0, "nanosleep"),
    ]
    assert view["load"][0] == 0.5


def test_stacks_are_sorted_by_thread() -> None:
    answer = answer_of(
        thread(1, 0),
        record(Record.FRAME, 1, 1, 0x1800),
        thread(2, 0),
        record(Record.FRAME, 2, 1, 0x10),
        record(Record.MAPPING, 0x1000, 0x2000, 0, 0, 0, 5, 0, text=b"[anon]"),
    )
    found = chains(answer, "", "")
    assert [[frame["place"] for frame in each["frames"]] for each in found] == [
        ["[anon]"],
        ["0x10"],
    ]


def test_text_is_harmless() -> None:
    assert text_of(b"a\x1b[31m\n\xff") == "a?[31m?\ufffd"
    assert [size(count) for count in (5, 2048, 10 << 20, 3 << 40)] == ["5", "2.0K", "10M", "3072G"]


def test_names_of_other_languages() -> None:
    """C++ and Rust names are shown as they were written; no other name is touched."""
    names = [
        "_ZN9JavaCalls11call_helperEi",
        "main",
        "_Z",
        "_ZN7threads5inner17h1f0a3c5b7d9e2468E",
        "runtime.main",
    ]
    assert demangled(names) == ["JavaCalls::call_helper", "main", "_Z", "threads::inner", names[4]]
    assert demangled([]) == []
