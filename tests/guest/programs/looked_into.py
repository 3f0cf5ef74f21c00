"""Stays until input ends, with a thread that sleeps, a busy one and an open file."""

import sys
import threading
import time

passwd = open("/etc/passwd")  # noqa: SIM115
passwd.read(10)
threading.Thread(target=time.sleep, args=(1000,), name="sleeper", daemon=True).start()


def work():
    """Use the CPU."""
    while True:
        sum(range(1000))


threading.Thread(target=work, name="worker", daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
