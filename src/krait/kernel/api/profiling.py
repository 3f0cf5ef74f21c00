"""Sends samples to the host while the program runs, and at its end what is needed to name them.

What the host needs beside the samples: the mappings, in which it finds the files whose symbols to
read; the threads' names; and the map that a JIT compiler may have written (/tmp/perf-PID.map).
"""

from __future__ import annotations

from typing import Final

from krait.kernel.api.process_records import thread_behind, write_mappings_of, write_thread
from krait.kernel.api.record_writer import RecordWriter, make_record_writer
from krait.kernel.drivers.outcome import ending
from krait.kernel.fs.path import WalkFlags, walk
from krait.kernel.fs.root import first_context
from krait.kernel.fs.text_buffer import TextBuffer, make_text_buffer
from krait.kernel.lang import Array, Errno, Struct, inline, size_of, text, u32, u64, view
from krait.kernel.linux import profile
from krait.kernel.linux.process import Process
from krait.kernel.linux.process_table import process_table
from krait.kernel.linux.profile import SAMPLE_WORDS, sampler
from krait.kernel.mm import kernel_stack
from krait.kernel.protocol.control import MessageType
from krait.kernel.protocol.look import Record
from krait.kernel.protocol.look_records import LostRecord, SampleRecord
from krait.kernel.sched import clock, thread_life
from krait.kernel.sched.mutex import Mutex
from krait.kernel.sched.sleep import sleep_until

DRAIN_NS: Final = 50_000_000
MAPPINGS_NS: Final = 1_000_000_000
JIT_MAP_MAX: Final = 64 << 20
CHUNK: Final = 4096


class Profiling(Struct):
    """What has been sent."""

    sending: Mutex = inline()
    mappings_ns: u64 = 0
    mapped_bytes: u64 = 0
    named_tid: u32 = 0
    """Threads below this number have been named."""


profiling = Profiling()


def start() -> None:
    """Be there when the host asks for samples."""
    sampler.on_start = start_thread


def start_thread() -> None:
    """Make the thread that empties the ring."""
    try:
        thread_life.spawn(drain_all, u64(0), text(b"profile"), kernel_stack.allocate())
    except Errno:
        return
    ending.report = finish


def drain_all(_argument: u64) -> None:
    """Empty the ring again and again."""
    while True:
        sleep_until(clock.monotonic_ns() + DRAIN_NS)
        try:
            drain(last=False)
        except Errno:
            continue


def finish() -> None:
    """Send the rest at the end of the run."""
    try:
        drain(last=True)
    except Errno:
        return


def drain(*, last: bool) -> None:
    """Send what there is; raises ENOMEM."""
    with profiling.sending:
        out = make_record_writer(u32(0))
        out.type = MessageType.PROFILE
        write_samples(out)
        process = process_table.first
        if process is not None:
            write_new_threads(process, out)
            if last or is_time_for_mappings(process):
                profiling.named_tid = 0
                write_new_threads(process, out)
                write_mappings_of(process, out)
            if last:
                write_jit_map(process, out)
        out.send(last=last, code=u32(0))


def write_samples(out: RecordWriter) -> None:
    """Move the samples from the ring into records."""
    sample: Array[u64] = inline(SAMPLE_WORDS)
    while True:
        length = profile.get(sample)
        if length == 0:
            break
        record = view(SampleRecord, out.begin(Record.SAMPLE, size_of(SampleRecord)))
        record.head = sample[0]
        for index in range(u64(1), length):
            out.put_word(sample[index])
    lost = profile.take_lost()
    if lost != 0:
        view(LostRecord, out.begin(Record.LOST, size_of(LostRecord))).count = lost


def is_time_for_mappings(process: Process) -> bool:
    """Say whether mappings have changed since they were sent, a second ago or more."""
    now_ns = clock.monotonic_ns()
    mapped = process.space.total_bytes()
    if mapped == profiling.mapped_bytes or now_ns < profiling.mappings_ns + MAPPINGS_NS:
        return False
    profiling.mapped_bytes = mapped
    profiling.mappings_ns = now_ns
    return True


def write_new_threads(process: Process, out: RecordWriter) -> None:
    """Write the threads that were made since the last time."""
    first = profiling.named_tid
    profiling.named_tid = process.next_tid
    task = process.first_task
    while task is not None:
        if task.tid >= first:
            write_thread(process, task, out)
        task = thread_behind(process, task)


def write_jit_map(process: Process, out: RecordWriter) -> None:
    """Write the file that a JIT compiler has left, if it has."""
    path = make_text_buffer(u64(64))
    path.put(text(b"/tmp/perf-"))
    path.put_decimal(u64(process.pid))
    path.put(text(b".map"))
    try:
        write_file(path, out)
    except Errno:
        return


def write_file(path: TextBuffer, out: RecordWriter) -> None:
    """Write a file in pieces; raises what opening and reading it does."""
    context = first_context()
    vnode = walk(context, context.cwd, path.text(), WalkFlags.FOLLOW).present()
    position: u64 = 0
    while position < JIT_MAP_MAX:
        out.begin(Record.JIT_MAP, u64(0))
        count = vnode.read(position, out.room().part(0, CHUNK))
        out.add(count)
        if count == 0:
            return
        position += count
