"""What this kernel is configured to be.

Plain Python values at build time: `if config.disk:` is decided before the compiler looks at what is
reachable, so what a configuration leaves out costs nothing. The build sets them before it loads
kernel modules, in a process of its own: what a module has made of a switch, in a table say, stays.
"""

from __future__ import annotations

import sys
from typing import Any


class Config:
    """The switches; each name is a build option."""

    debug: bool = False  # costly checks
    strace: bool = True  # printing of system calls
    pci: bool = True  # PCI besides virtio-mmio
    net: bool = False  # networking
    disk: bool = True  # virtio-blk and the page cache behind it
    proc: bool = True  # /proc and /sys
    ipc: bool = (
        True  # sockets, queues, extended attributes, memory policies: beyond files and memory
    )
    console: bool = True  # virtio-console ports
    look: bool = True  # answers to `krait ps` and the like
    profile: bool = True  # sampling, for `krait run --profile`
    watchdog: bool = True  # a report when the kernel stands still
    without_lock: bool = True  # calls that several CPUs answer without the kernel lock
    bootchart: bool = True  # phases of the boot

    def __getattribute__(self, name: str) -> Any:
        """Give a switch, and remember who was the first to look at it."""
        if name in SWITCHES and name not in _readers:
            _readers[name] = sys._getframe(1).f_globals.get("__name__", "a kernel module")
        return object.__getattribute__(self, name)

    def set(self, **chosen: bool) -> None:
        """Choose; what is not named is as by default.

        An unknown name is an error, and so is a new value for what a module has looked at.
        """
        for name in chosen:
            if name not in SWITCHES:
                raise ValueError(f"there is no kernel option {name!r}")
        for name, default in SWITCHES.items():
            value = bool(chosen.get(name, default))
            if value != object.__getattribute__(self, name) and name in _readers:
                raise ValueError(
                    f"{_readers[name]} has looked at the kernel option {name!r}, "
                    f"which cannot become {value} in this process"
                )
            setattr(self, name, value)


SWITCHES = {name: value for name, value in vars(Config).items() if isinstance(value, bool)}
"""All of them, with their defaults."""
_readers: dict[str, str] = {}

config = Config()
