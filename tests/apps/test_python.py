"""CPython and SQLite."""

from __future__ import annotations

import pytest

from tests.comparison import Comparison

SCRIPTS = {
    "print": "print(1)",
    "json": "import json; print(json.dumps({'a': [1, 2.5, None, 'é']}, sort_keys=True))",
    "re": "import re; print(re.findall(r'(\\w)(\\d+)', 'a1 b22 c333'))",
    "hashlib": "import hashlib; print(hashlib.sha256(b'krait').hexdigest(), hashlib.blake2b(b'x').hexdigest()[:16])",
    "decimal": "from decimal import Decimal, getcontext; getcontext().prec = 50; print(Decimal(2).sqrt())",
    "sqlite3": (
        "import sqlite3; c = sqlite3.connect('/tmp/krait-py.db'); c.execute('drop table if exists t');"
        "c.execute('create table t (n int, s text)');"
        "c.executemany('insert into t values (?, ?)', [(i, str(i) * 3) for i in range(1000)]); c.commit();"
        "print(c.execute('select count(*), sum(n), max(s) from t').fetchone())"
    ),
    "zlib": "import zlib; d = zlib.compress(b'abc' * 10000); print(len(d), zlib.crc32(zlib.decompress(d)))",
    "ctypes": "import ctypes; l = ctypes.CDLL('libc.so.6'); print(l.abs(-5), l.strlen(b'four'))",
    "asyncio": (
        "import asyncio\n"
        "async def f(n):\n    await asyncio.sleep(n / 100); return n\n"
        "async def main(): print(await asyncio.gather(*map(f, (3, 1, 2))))\n"
        "asyncio.run(main())"
    ),
    "files": (
        "import os, tempfile, shutil; d = tempfile.mkdtemp(); p = os.path.join(d, 'f');"
        "open(p, 'w').write('hello\\n' * 1000); os.rename(p, p + '2'); print(os.listdir(d), os.path.getsize(p + '2'));"
        "os.symlink('f2', p); print(os.readlink(p), open(p).read().count('hello')); shutil.rmtree(d); print(os.path.exists(d))"
    ),
    "exception": "raise ValueError('told you')",
    "exit": "import sys; sys.exit(77)",
    "stdin": "import sys; print(sys.stdin.read().upper(), end='')",
    "mmap": "import mmap; m = mmap.mmap(-1, 8192); m[:5] = b'hello'; print(m[:5], len(m))",
    "signal": (
        "import signal, os; signal.signal(signal.SIGUSR1, lambda *a: print('got', a[0]));"
        "os.kill(os.getpid(), signal.SIGUSR1); print('after')"
    ),
    "abort": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "timer": (
        "import signal, time; signal.signal(signal.SIGALRM, lambda *a: print('alarm'));"
        "signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.2); print('end')"
    ),
    "select": (
        "import select, socket, os; a, b = socket.socketpair(); b.send(b'xy');"
        "print(select.select([a], [], [], 1)[0] == [a], a.recv(9));"
        "r, w = os.pipe(); os.write(w, b'z'); p = select.poll(); p.register(r, select.POLLIN); print(len(p.poll(100)));"
        "e = select.epoll(); e.register(r, select.EPOLLIN); print(len(e.poll(0.1)))"
    ),
    "sockets": (
        "import socket\n"
        "try:\n    socket.create_connection(('127.0.0.1', 1), timeout=1)\n"
        "except OSError as e:\n    print('refused', type(e) is not None)"
    ),
    "time": "import time; a = time.monotonic(); time.sleep(0.05); d = time.monotonic() - a; print(0.05 <= d < 2)",
    "random": "import os, random; print(len(os.urandom(32)), random.Random(4).randint(0, 99))",
    "deep": "import sys; sys.setrecursionlimit(20000)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(9000))",
    "memory": "x = bytearray(64 << 20); x[::4096] = b'y' * len(x[::4096]); print(x.count(b'y'))",
    "proc": "print(open('/proc/self/comm').read().strip(), 'VmRSS' in open('/proc/self/status').read())",
    "uname": "import os; u = os.uname(); print(u.sysname, u.machine)",
    "unicode": "print('\\u00e9\\u4e2d\\U0001f40d'.encode())",
    "compile": "import ast, dis; print(eval(compile(ast.parse('6 * 7', mode='eval'), 'x', 'eval')))",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_python(same_as_host: Comparison, name: str) -> None:
    """The host's python3, with its standard library."""
    same_as_host(
        "/usr/bin/python3",
        "-c",
        SCRIPTS[name],
        stdin=b"some\ninput\n",
        ignore_errors=name == "abort",
    )


def test_sqlite_shell(same_as_host: Comparison) -> None:
    """A database in /tmp, by the sqlite3 program."""
    script = (
        b"drop table if exists t;\ncreate table t (a integer primary key, b text);\n"
        b"begin; insert into t (b) values ('x'), ('y'), ('z'); commit;\n"
        b"select count(*), group_concat(b, '-') from t;\npragma integrity_check;\n"
    )
    same_as_host("sqlite3", "/tmp/krait-shell.db", stdin=script)
