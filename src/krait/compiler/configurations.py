"""The kernel's configurations: which switches of `krait.kernel.config` are not as by default."""

from __future__ import annotations

SWITCHES: dict[str, dict[str, bool]] = {
    "default": {},
    "debug": {"debug": True},
    "least": {
        "strace": False, "pci": False, "disk": False, "bootchart": False, "console": False,
        "proc": False, "ipc": False, "look": False, "profile": False,
        "watchdog": False, "without_lock": False,
    },
}  # fmt: skip


def configure(configuration: str) -> None:
    """Set the switches; before any module of the kernel is loaded that looks at them."""
    from krait.kernel.config import config

    config.set(**SWITCHES[configuration])
