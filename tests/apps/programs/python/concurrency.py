"""Threads, queues, pools, events, signals and maps of CPython; prints the same in any order of threads."""

import asyncio
import collections
import concurrent.futures
import contextvars
import functools
import mmap
import os
import queue
import signal
import socket
import sys
import tempfile
import threading
import time

THREADS = 8
sys.setswitchinterval(0.0005)  # many handovers of the interpreter's lock


def part(function):
    print(f"{function.__name__}: {function()}", flush=True)


def run(work, count=THREADS):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@part
def locks():
    lock, again, total = threading.Lock(), threading.RLock(), collections.Counter()

    def work(number):
        for step in range(500):
            with lock:
                total["steps"] += 1
            with again, again:
                total[number] += step

    run(work)
    return total["steps"], sum(total[number] for number in range(THREADS)), lock.locked()


@part
def conditions():
    turn, condition, order = 0, threading.Condition(), []

    def is_turn_of(number):
        return turn % THREADS == number

    def work(number):
        nonlocal turn
        for _ in range(20):
            with condition:
                condition.wait_for(functools.partial(is_turn_of, number))
                order.append(number)
                turn += 1
                condition.notify_all()

    run(work)
    with condition:
        late = condition.wait(0.01)
    return order == list(range(THREADS)) * 20, late


@part
def barriers_events_semaphores():
    barrier, event, slots = threading.Barrier(THREADS), threading.Event(), threading.Semaphore(3)
    inside, most, serials = 0, 0, []
    guard = threading.Lock()

    def work(number):
        nonlocal inside, most
        if number == 0:
            event.set()
        event.wait()
        serials.append(barrier.wait())
        with slots:
            with guard:
                inside += 1
                most = max(most, inside)
            time.sleep(0.002)
            with guard:
                inside -= 1

    run(work)
    try:
        barrier.wait(0.01)
    except threading.BrokenBarrierError:
        return sorted(serials), most <= 3, inside, barrier.broken
    return None


@part
def storage_of_threads():
    local, context, seen = threading.local(), contextvars.ContextVar("context"), []

    def work(number):
        local.value = number
        context.set(number * 2)
        time.sleep(0.001)
        seen.append((local.value, context.get()))

    run(work)
    return sorted(seen), hasattr(local, "value")


@part
def names_of_threads():
    names = []
    thread = threading.Thread(
        target=lambda: names.append(threading.current_thread().name), name="own"
    )
    thread.start()
    thread.join()
    while len(os.listdir("/proc/self/task")) > 1:  # the last of its ends after join()
        time.sleep(0.001)
    alive = threading.active_count()

    return names, alive, threading.get_native_id() == os.getpid()


@part
def errors_in_threads():
    caught = []
    threading.excepthook = lambda found: caught.append(
        (found.exc_type.__name__, str(found.exc_value))
    )

    def work(number):
        raise ValueError(number)

    run(work, 3)
    threading.excepthook = threading.__excepthook__
    return sorted(caught)


@part
def many_threads():
    event, done = threading.Event(), []

    def work(number):
        event.wait()
        done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(300)]
    for thread in threads:
        thread.start()
    running = threading.active_count()
    event.set()
    for thread in threads:
        thread.join()
    return running, len(done), sum(done)


@part
def queues():
    items, found = queue.Queue(5), queue.SimpleQueue()

    def work(number):
        if number % 2:
            for step in range(100):
                items.put(number * 1000 + step)
            items.put(None)
        else:
            while (item := items.get()) is not None:
                found.put(item)
                items.task_done()
            items.task_done()

    run(work)
    items.join()
    total = sum(found.get() for _ in range(found.qsize()))
    first, last = queue.PriorityQueue(), queue.LifoQueue()
    for number in (3, 1, 2):
        first.put(number)
        last.put(number)
    try:
        items.get(timeout=0.01)
    except queue.Empty:
        return total, [first.get() for _ in range(3)], [last.get() for _ in range(3)]
    return None


@part
def pools():
    with concurrent.futures.ThreadPoolExecutor(THREADS, initializer=time.time) as pool:
        squares = sum(pool.map(lambda number: number * number, range(300)))
        tasks = [pool.submit(divmod, 100, number) for number in range(4)]
        done, _ = concurrent.futures.wait(tasks)
        errors = [type(task.exception()).__name__ for task in tasks]
        late = pool.submit(time.sleep, 0.2)
        try:
            late.result(timeout=0.01)
        except concurrent.futures.TimeoutError as error:
            errors.append(type(error).__name__)
        order = [task.result() for task in concurrent.futures.as_completed(tasks[1:])]
    return squares, len(done), errors, sorted(order)


@part
def events():
    async def main():
        loop = asyncio.get_running_loop()
        answers = await asyncio.gather(*(wait(number) for number in (3, 1, 2)))
        pool = await asyncio.gather(*(asyncio.to_thread(sum, range(number)) for number in range(9)))
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        other_reader, other_writer = await asyncio.open_connection(sock=there, limit=1 << 20)
        writer.write(b"x" * 500000 + b"\nlast line\n")
        got = [len(await other_reader.readline()), await other_reader.readline()]
        writer.close()
        got.append(await other_reader.read())
        other_writer.close()
        try:
            await asyncio.wait_for(asyncio.sleep(10), 0.01)
        except TimeoutError:
            got.append("too late")
        items, lock, seen = asyncio.Queue(2), asyncio.Lock(), []

        async def produce():
            for number in range(20):
                await items.put(number)
            await items.put(None)

        async def consume():
            while (item := await items.get()) is not None:
                async with lock:
                    seen.append(item)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            group.create_task(consume())
        called = asyncio.Event()
        threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,)).start()
        await called.wait()
        caught = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR2, caught.set)
        os.kill(os.getpid(), signal.SIGUSR2)
        await caught.wait()
        loop.remove_signal_handler(signal.SIGUSR2)
        return answers, pool, got, sum(seen)

    async def wait(number):
        await asyncio.sleep(number / 100)
        return number

    return asyncio.run(main())


@part
def unix_server():
    async def main(path):
        async def serve(reader, writer):
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        async def ask(number):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"question %d\n" % number)
            answer = await reader.read()
            writer.close()
            return answer

        async with await asyncio.start_unix_server(serve, path):
            return await asyncio.gather(*map(ask, range(20)))

    with tempfile.TemporaryDirectory() as folder:
        answers = asyncio.run(main(f"{folder}/socket"))
    return answers[0], answers[19], len(answers)


@part
def maps():
    with tempfile.TemporaryFile() as file:
        file.truncate(THREADS * 8192)
        with mmap.mmap(file.fileno(), 0) as shared:

            def work(number):
                for step in range(8192):
                    shared[number * 8192 + step] = (number + step) % 251

            run(work)
            shared.flush()
            total = sum(shared[:])
            copy = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            copy[:4] = b"copy"
            same = shared[:4] == b"copy"
            shared.resize(4096)
            size = (len(shared), os.fstat(file.fileno()).st_size, shared.find(b"\x07\x08"))
        file.seek(0)
        return total, same, size, file.read(4)


@part
def private_maps():
    pages = mmap.mmap(-1, 64 * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages[::4096] = b"z" * 64
    pages.madvise(mmap.MADV_DONTNEED, 0, 32 * 4096)
    try:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ)[0] = 1
    except TypeError as error:
        return pages[:].count(b"z"), str(error)
    return None


@part
def signals():
    seen, main = [], threading.main_thread()

    def handler(number, _):
        seen.append((number, threading.current_thread() is main))

    for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGRTMIN):
        signal.signal(number, handler)
    run(lambda _: signal.pthread_kill(main.ident, signal.SIGUSR1), 1)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    while len(seen) < 2:
        time.sleep(0.005)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    os.kill(os.getpid(), signal.SIGRTMIN)
    pending = signal.sigpending()
    found = signal.sigwait([signal.SIGRTMIN])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGRTMIN])
    signal.raise_signal(signal.SIGRTMIN)
    none = signal.sigtimedwait([signal.SIGUSR2], 0.01)
    return seen, pending == {signal.SIGRTMIN}, found == signal.SIGRTMIN, none


@part
def wakeup_descriptor():
    here, there = socket.socketpair()
    there.setblocking(False)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    before = signal.set_wakeup_fd(there.fileno())
    signal.raise_signal(signal.SIGUSR1)
    signal.set_wakeup_fd(before)
    return here.recv(10)


@part
def interrupt():
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt as error:
        timer.join()
        return repr(error)


@part
def clocks():
    def work(_):
        before = time.thread_time()
        while time.thread_time() - before < 0.02:
            pass
        spent.append(time.thread_time() > 0.02)

    spent, before = [], time.process_time()
    run(work, 2)
    return spent, time.process_time() - before >= 0.04
