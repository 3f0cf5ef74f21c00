"""Reads files of /proc and /sys and prints them as JSON, for test_system_files.py."""

import json
import os
import sys
import threading

found = {}
ready = threading.Event()
done = threading.Event()


def wait():
    """Be a second thread while the files are read."""
    ready.set()
    done.wait()


threading.Thread(target=wait, name="second").start()
ready.wait()
for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            found[path] = file.read().decode("latin-1")
    except OSError as error:
        found[path] = error.errno
found["threads"] = sorted(map(int, os.listdir("/proc/self/task")))
found["pid"] = os.getpid()
found["links"] = [os.readlink(f"/proc/self/{name}") for name in ("cwd", "root")]
found["thread-self"] = os.readlink("/proc/thread-self")
done.set()
with open("/proc/self/comm", "w") as file:
    file.write("renamed\n")
with open("/proc/self/comm") as file:
    found["renamed"] = file.read()
if os.getpid() == 1:  # never on the host
    for path, value in (
        ("/proc/sys/kernel/hostname", "other\n"),
        ("/proc/sys/kernel/domainname", "example\n"),
        ("/proc/self/oom_score_adj", "-500\n"),
    ):
        with open(path, "w") as file:
            file.write(value)
        with open(path) as file:
            found[f"written {path}"] = file.read()
    found["uname"] = os.uname().nodename
refused = {}
for path, value in (
    ("/proc/self/oom_score_adj", "5000"),
    ("/proc/self/oom_score_adj", "word"),
    ("/proc/sys/kernel/osrelease", "9"),
):
    try:
        with open(path, "w") as file:
            file.write(value)
    except OSError as error:
        refused[f"{path} {value}"] = error.errno
found["refused"] = refused
print(json.dumps(found))
