"""Virtual machines of a few instructions, from start to outcome."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from krait.kernel.protocol import boot_words
from krait.machine import accelerator, session, trial
from krait.machine.boot_line import boot_line
from krait.machine.descriptors import Standard
from krait.machine.errors import MachineError
from krait.machine.machine import Guest
from krait.machine.outcome import Outcome
from krait.machine.qemu import BOARDS, Qemu
from krait.machine.session import Session

SMALL = 64 << 20


def run(kernel: str, **options: object) -> Outcome:
    """Run a kernel with nothing on its consoles."""
    board = str(options.pop("board", "microvm"))
    words = options.pop("words", [])
    assert isinstance(words, list)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        return Session(
            Qemu(board),
            Guest(kernel=kernel, memory_bytes=SMALL, words=words),
            accelerator="tcg",
            standard=Standard(input=null, output=null, errors=null),
            **options,  # type: ignore[arg-type]
        ).run()
    finally:
        os.close(null)


@pytest.mark.parametrize("board", BOARDS)
def test_status_reaches_the_host(trial_kernel: Callable[[bytes], str], board: str) -> None:
    exit_record = b"K\x01\x04\x00" + struct.pack("<I", 200)
    result = run(trial_kernel(trial.report(exit_record)), board=board)
    assert (result.kind, result.status) == ("exit", 200)


def test_machine_without_a_word(trial_kernel: Callable[[bytes], str]) -> None:
    result = run(trial_kernel(trial.stop()))
    assert (result.kind, result.status) == ("died", 125)


def test_time_limit(trial_kernel: Callable[[bytes], str]) -> None:
    started = time.monotonic()
    result = run(trial_kernel(trial.spin()), timeout_s=0.5, program="spin")
    assert (result.kind, result.status) == ("timeout", 124)
    assert result.message == "spin: still running after 0.5 s, ended"
    assert time.monotonic() - started < 5


def test_hung_guest_ends_after_a_signal(
    trial_kernel: Callable[[bytes], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_GRACE_S", 0.5)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    result = run(trial_kernel(trial.spin()), timeout_s=20, program="spin")
    assert (result.kind, result.status) == ("stopped", 143)
    assert result.message == "spin: still running 0.5 s after SIGTERM, ended"


def test_not_a_kernel(tmp_path: Path) -> None:
    path = tmp_path / "kernel"
    path.write_bytes(b"\x7fELF nonsense" * 100)
    result = run(str(path))
    assert result.status == 125
    assert result.message.startswith("QEMU failed: ")
    assert "\n" not in result.message


def test_qemu_lists_devices_in_the_order_given(
    trial_kernel: Callable[[bytes], str], tmp_path: Path
) -> None:
    """The kernel tells the consoles apart by this order."""
    import subprocess

    path = tmp_path / "line"
    kernel = trial_kernel(trial.echo_command_line())
    command = [Qemu().program(), "-machine", "microvm,acpi=off", "-m", "16M"]
    command += ["-accel", "tcg", "-nodefaults", "-no-user-config", "-display", "none"]
    command += ["-kernel", kernel, "-append", "arg=a"]
    for number in range(3):
        command += ["-device", f"virtio-serial-device,id=s{number}"]
    command += ["-debugcon", f"file:{path}", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    assert subprocess.run(command, timeout=20, check=False).returncode == trial.STATUS
    words = path.read_text().split()
    assert words[0] == "arg=a"
    addresses = [int(word.split("@")[1].split(":")[0], 16) for word in words[1:]]
    assert len(addresses) == 3
    assert addresses == sorted(addresses, reverse=True)


def test_words_are_escaped() -> None:
    line, rest = boot_line([(b"arg", b"a b%\xff\n"), (b"cwd", b"/x")], "more=1")
    assert line == "arg=a%20b%25%FF%0A cwd=/x more=1"
    assert rest == ""


def test_long_words_go_to_the_firmware() -> None:
    line, rest = boot_line([(b"arg", b"x" * boot_words.COMMAND_LINE_LIMIT)])
    assert line == "words=fw_cfg"
    assert rest == "arg=" + "x" * boot_words.COMMAND_LINE_LIMIT


def test_long_words_start(trial_kernel: Callable[[bytes], str]) -> None:
    exit_record = b"K\x01\x04\x00" + struct.pack("<I", 7)
    words = [(b"arg", b"y" * 200_000)]
    assert run(trial_kernel(trial.report(exit_record)), words=words).status == 7


def test_no_qemu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="apt-get install qemu-system-x86"):
        Qemu().program()


def test_unknown_board() -> None:
    with pytest.raises(MachineError, match="unknown machine 'vax'; there are: microvm, q35, pc"):
        Qemu("vax")


def test_unknown_accelerator() -> None:
    with pytest.raises(MachineError, match="unknown accelerator 'warp'"):
        accelerator.choose("warp")


def test_kvm_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "device_problem", lambda: "no permission on /dev/kvm: …")
    with pytest.raises(MachineError, match="no permission on /dev/kvm"):
        accelerator.choose("kvm")
    assert accelerator.choose("auto").name == "tcg"


def test_choice_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "device_problem", lambda: "")
    measured = []

    def measure() -> accelerator.Choice:
        measured.append(1)
        return accelerator.Choice("tcg", "measured")

    monkeypatch.setattr(accelerator, "measure", measure)
    first = accelerator.choose("auto")
    second = accelerator.choose("auto")
    assert (first.name, first.reason, first.is_news) == ("tcg", "measured", True)
    assert (second.name, second.reason, second.is_news) == ("tcg", "measured", False)
    assert len(measured) == 1


def test_slow_kvm_loses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        accelerator, "time_trial", lambda name, limit: {"kvm": 1.5, "tcg": 0.1}[name]
    )
    assert accelerator.measure().name == "tcg"
    monkeypatch.setattr(
        accelerator, "time_trial", lambda name, limit: {"kvm": 0.05, "tcg": 0.1}[name]
    )
    assert accelerator.measure().name == "kvm"
    monkeypatch.setattr(
        accelerator, "time_trial", lambda name, limit: {"kvm": None, "tcg": 0.1}[name]
    )
    assert accelerator.measure().name == "tcg"
