"""POSIX threads of an unmodified program."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.comparison import ENVIRONMENT, Comparison, run_in_guest, run_on_host

PYTHON = """
import concurrent.futures, queue, threading
inbox, outbox = queue.Queue(), queue.Queue()
def work():
    while (item := inbox.get()) is not None:
        outbox.put(item * item)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for item in list(range(100)) + [None] * 4: inbox.put(item)
for thread in threads: thread.join()
print(sum(outbox.get() for _ in range(100)), threading.active_count())
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda number: number + 1, range(1000))))
"""


@pytest.mark.guest
@pytest.mark.parametrize("flags", [("-static",), ()])
def test_pthreads_as_on_the_host(build_program: Callable[..., str], flags: tuple[str, ...]) -> None:
    """Creation to cancellation; floating point on many threads at once; signals to threads."""
    program = build_program("guest/programs/threads.c", "-pthread", *flags)
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "32M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors
    assert there.status == here.status == 7


@pytest.mark.guest
@pytest.mark.parametrize("way", ["leader-first", "fault", "exit", "busy", "alarms", "often"])
def test_ends_as_on_the_host(build_program: Callable[..., str], way: str) -> None:
    """Threads and processes end in every order, and ended threads leave no memory behind."""
    program = build_program("guest/programs/thread_ends.c", "-pthread", "-static")
    here = run_on_host([program, way], b"", ENVIRONMENT)
    there = run_in_guest([program, way], b"", ENVIRONMENT, ("-m", "24M"))
    assert there.output == here.output
    assert there.status == here.status


@pytest.mark.guest
def test_last_threads_end_at_once(build_program: Callable[..., str]) -> None:
    """Each waits for a page while it ends, and finds that the other has left."""
    program = build_program("guest/programs/thread_ends.c", "-pthread", "-static")
    there = run_in_guest([program, "both"], b"", ENVIRONMENT, ("--root", "disk"))
    assert (there.output, there.status) == (b"", 0)


@pytest.mark.guest
def test_lock_of_a_thread_that_ends(build_program: Callable[..., str]) -> None:
    """While its owner waits for a page, whoever takes the lock is its only owner."""
    program = build_program("guest/programs/dying_owner.c", "-pthread", "-static")
    there = run_in_guest([program], b"", ENVIRONMENT, ("--root", "disk"))
    assert (there.output, there.errors, there.status) == (b"two owners: 0\n", b"", 0)


@pytest.mark.guest
def test_ten_thousand_threads(build_program: Callable[..., str]) -> None:
    """All alive at once, with lazily populated stacks: 80 GiB of them in 512 MiB."""
    program = build_program("guest/programs/thread_ends.c", "-pthread", "-static")
    there = run_in_guest([program, "ten-thousand"], b"", ENVIRONMENT, ("-m", "512M"))
    assert there.output == b"10000 threads, 0 left\n"
    assert there.status == 0


@pytest.mark.guest
def test_futexes_as_on_the_host(build_program: Callable[..., str]) -> None:
    """Every operation, by system call, with its errors; and mutexes of all kinds."""
    program = build_program("guest/programs/futexes.c", "-pthread", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "32M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors
    assert there.status == here.status == 0


@pytest.mark.guest
@pytest.mark.parametrize("source", ["cpu_time", "schedule", "priorities"])
def test_time_and_schedule_as_on_the_host(build_program: Callable[..., str], source: str) -> None:
    """CPU clocks, timers and limits of threads; policies and who runs by them, barriers, names."""
    program = build_program(f"guest/programs/{source}.c", "-pthread", "-static")
    here = run_on_host([program], b"", ENVIRONMENT)
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M"))
    assert there.output.decode().splitlines() == here.output.decode().splitlines(), there.errors
    assert there.status == here.status


@pytest.mark.guest
def test_shares_follow_nice_values(build_program: Callable[..., str]) -> None:
    """Ten levels are worth nine times as much; SCHED_IDLE gets what is left."""
    program = build_program("guest/programs/priorities.c", "-pthread", "-static")
    there = run_in_guest([program, "shares"], b"", ENVIRONMENT, ("-m", "64M"))
    assert there.output.splitlines()[1:] == [b"nice to others 1", b"when nobody else wants 1"]


@pytest.mark.guest
def test_urgent_threads_have_all_cpus(build_program: Callable[..., str]) -> None:
    """Two run at once; whoever would wait while a CPU runs something less urgent does not."""
    program = build_program("guest/programs/realtime_cpus.c", "-pthread", "-static")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M", "-c", "2"))
    assert there.output.decode().splitlines() == [
        "started: both run",
        "woken: both run",
        "driven away: goes on elsewhere",
        "one ended: the one that waits is fetched",
        "one fell: the one that waits is fetched",
        "let go: runs elsewhere",
    ], there.errors.decode()


@pytest.mark.guest
def test_no_vector_register_changes_by_itself(build_program: Callable[..., str]) -> None:
    """16 YMM registers, x87 and MXCSR on 24 threads, with switches and signals anywhere."""
    program = build_program("guest/programs/vector_registers.c", "-pthread", "-static")
    there = run_in_guest([program], b"", ENVIRONMENT, ("-m", "64M"))
    expected = b"enough rounds 1, enough signals 1, wrong 0\n"
    assert there.output.partition(b", ")[2] == expected, there.errors
    assert there.status == 0


@pytest.mark.guest
def test_python_threads(same_as_host: Comparison) -> None:
    """Queues and a thread pool."""
    same_as_host("python3", "-c", PYTHON, switches=("-m", "256M"))
