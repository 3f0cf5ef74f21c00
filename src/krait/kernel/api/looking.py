"""Answers questions of the host about the running machine (`krait ps`, `top`, `lsof` and so on).

A question comes in an interrupt (drivers/control.py) and waits in a ring for a kernel thread of its
own, because answering allocates and may sleep. The thread is made when the machine starts to listen
to the host, which short programs end before.
"""

from __future__ import annotations

from krait.kernel.api.process_records import (
    write_descriptors,
    write_mappings,
    write_snapshot,
    write_stacks,
)
from krait.kernel.api.record_writer import RecordWriter, make_record_writer
from krait.kernel.drivers import control
from krait.kernel.errno import EINVAL, EPROTO
from krait.kernel.lang import (
    Array,
    Errno,
    Slice,
    Struct,
    inline,
    log,
    size_of,
    text,
    u8,
    u32,
    u64,
    view,
)
from krait.kernel.mm import kernel_stack
from krait.kernel.protocol.look import QUESTIONS_MAX, VERSION, Question
from krait.kernel.protocol.look_records import LookRequest
from krait.kernel.sched import thread_life
from krait.kernel.sched.spin_lock import SpinLock
from krait.kernel.sched.wait_queue import WaitQueue


class Waiting(Struct):
    """One question."""

    question: u32 = 0
    number: u32 = 0
    argument: u64 = 0
    version: u32 = 0


class Questions(Struct):
    """Those that wait, a ring."""

    lock: SpinLock = inline()
    arrival: WaitQueue = inline()
    ring: Array[Waiting] = inline(QUESTIONS_MAX)
    first: u64 = 0
    count: u64 = 0


questions = Questions()


def start() -> None:
    """Answer once the machine listens to the host."""
    control.control.on_start = start_thread


def start_thread() -> None:
    """Make the thread that answers."""
    try:
        thread_life.spawn(answer_all, u64(0), text(b"look"), kernel_stack.allocate())
    except Errno:
        return
    control.control.on_question = take_question


def take_question(_kind: u32, payload: Slice[u8]) -> None:
    """Put a question into the ring; runs in the interrupt."""
    if payload.length != size_of(LookRequest):
        return
    request = view(LookRequest, payload)
    if questions.count == QUESTIONS_MAX:
        return
    waiting = questions.ring[(questions.first + questions.count) % QUESTIONS_MAX]
    waiting.version = u32(request.version)
    waiting.question = u32(request.question)
    waiting.number = request.number
    waiting.argument = request.argument
    questions.count += 1
    questions.arrival.wake_all()


def answer_all(_argument: u64) -> None:
    """Answer one question after the other, for ever."""
    asked = Waiting()
    while True:
        with questions.lock:
            while questions.count == 0:
                questions.arrival.wait_spin(questions.lock)
            waiting = questions.ring[questions.first]
            asked.version = waiting.version
            asked.question = waiting.question
            asked.number = waiting.number
            asked.argument = waiting.argument
            questions.first = (questions.first + 1) % QUESTIONS_MAX
            questions.count -= 1
        try:
            answer(asked)
        except Errno as error:
            log("a question of the host was not answered: error {}", error.code)


def answer(asked: Waiting) -> None:
    """Answer one question; raises ENOMEM."""
    out = make_record_writer(asked.number)
    code: u32 = 0
    if asked.version != VERSION:
        code = u32(EPROTO)
    else:
        try:
            write_answer(asked, out)
        except Errno as error:
            code = error.code
    out.send(last=True, code=code)


def write_answer(asked: Waiting, out: RecordWriter) -> None:
    """Write the records; raises ESRCH for a process or thread that is not there."""
    if asked.question == u32(Question.SNAPSHOT):
        write_snapshot(out)
    elif asked.question == u32(Question.DESCRIPTORS):
        write_descriptors(u32.truncate(asked.argument), out)
    elif asked.question == u32(Question.MAPPINGS):
        write_mappings(u32.truncate(asked.argument), out)
    elif asked.question == u32(Question.STACK):
        write_stacks(u32.truncate(asked.argument), out)
    else:
        raise Errno(EINVAL)
