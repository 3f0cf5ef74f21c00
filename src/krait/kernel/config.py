"""What this kernel is configured to be.

Plain Python values at build time: `if config.smp:` is decided before the compiler looks at what is
reachable, so what a configuration leaves out costs nothing. The build sets them from the command
line before it loads kernel modules.
"""

from __future__ import annotations


class Config:
    """The switches; each name is a build option."""

    smp: bool = False  # more than one CPU
    debug: bool = False  # costly checks
    strace: bool = True  # printing of system calls
    pci: bool = True  # PCI besides virtio-mmio
    net: bool = False  # networking
    disk: bool = True  # virtio-blk and the page cache behind it
    proc: bool = True  # /proc and /sys
    ipc: bool = True  # sockets, queues, extended attributes and other calls beyond files and memory
    console: bool = True  # virtio-console ports
    look: bool = True  # answers to `krait ps` and the like
    profile: bool = True  # sampling, for `krait run --profile`
    watchdog: bool = True  # a report when the kernel stands still
    bootchart: bool = True  # phases of the boot

    def set(self, **switches: bool) -> None:
        """Choose; an unknown name is an error."""
        for name, value in switches.items():
            if not isinstance(getattr(type(self), name, None), bool):
                raise ValueError(f"there is no kernel option {name!r}")
            setattr(self, name, bool(value))


config = Config()
