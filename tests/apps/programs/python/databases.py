"""SQLite from eight threads: connections of their own and one for all, with and without a WAL."""

import os
import sqlite3
import sys
import tempfile
import threading

THREADS = 8
ROWS = 40


def run(work):
    errors = []

    def guarded(number):
        try:
            work(number)
        except sqlite3.Error as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def content(path):
    with sqlite3.connect(path) as base:
        rows = base.execute(
            "select count(*), sum(n), count(distinct thread), max(text) from t"
        ).fetchone()
        check = base.execute("pragma integrity_check").fetchone()
    base.close()
    return rows, check


def connect(path):
    return sqlite3.connect(path, timeout=60, isolation_level=None)


def own_connections(path, mode):
    base = connect(path)
    print(mode, base.execute(f"pragma journal_mode={mode}").fetchone())
    base.execute("create table t (n integer, thread integer, text text)")
    base.execute("create index i on t (thread, n)")

    def work(number):
        own = connect(path)
        own.execute("pragma synchronous=normal")
        for step in range(0, ROWS, 4):
            own.execute("begin immediate")
            rows = [(step + i, number, f"{number}-{step + i}" * 20) for i in range(4)]
            own.executemany("insert into t values (?, ?, ?)", rows)
            own.execute("commit")
            found = own.execute("select count(*) from t where thread = ?", (number,)).fetchone()
            assert found == (step + 4,), found
        own.close()

    errors = run(work)
    files = sorted(os.listdir(os.path.dirname(path)))
    if mode == "wal":
        print("checkpoint", base.execute("pragma wal_checkpoint(truncate)").fetchone())
    base.close()
    print("own connections", mode, errors, files, content(path))


def readers_and_writer(path):
    """In a WAL a reader keeps what it saw while another writes."""
    writer, reader = connect(path), connect(path)
    reader.execute("begin")
    before = reader.execute("select count(*) from t").fetchone()
    writer.execute("insert into t values (1, 99, 'late')")
    during = reader.execute("select count(*) from t").fetchone()
    reader.execute("commit")
    print("snapshot", before == during, reader.execute("select count(*) from t").fetchone())
    writer.execute("begin exclusive")
    other = sqlite3.connect(path, timeout=0.05, isolation_level=None)
    try:
        other.execute("begin immediate")
    except sqlite3.OperationalError as error:
        print("busy", error)
    writer.execute("rollback")
    for base in (writer, reader, other):
        base.close()
    print("left", sorted(os.listdir(os.path.dirname(path))))


def shared_connection(path):
    base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    base.execute("pragma journal_mode=wal")
    base.execute("create table t (n integer, thread integer, text text)")

    def work(number):
        for step in range(ROWS):
            base.execute("insert into t values (?, ?, ?)", (step, number, "x" * step))

    errors = run(work)
    base.close()
    print("shared connection", errors, content(path))


def wrong_thread():
    base = sqlite3.connect(":memory:")
    print("wrong thread", len(run(lambda _: base.execute("select 1"))))


def in_memory():
    keeper = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True)
    keeper.execute("create table t (n integer)")
    lock = threading.Lock()

    def work(number):
        with lock:
            own = sqlite3.connect("file:shared?mode=memory&cache=shared", uri=True)
            own.executemany("insert into t values (?)", [(number,)] * 10)
            own.commit()
            own.close()

    errors = run(work)
    print("memory", errors, keeper.execute("select count(*), sum(n) from t").fetchone())


def main():
    print(sqlite3.threadsafety, sys.version_info[:2])
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("delete", "wal", "truncate"):
            os.mkdir(f"{folder}/{mode}")
            own_connections(f"{folder}/{mode}/own.db", mode)
        readers_and_writer(f"{folder}/wal/own.db")
        shared_connection(f"{folder}/shared.db")
    wrong_thread()
    in_memory()


main()
