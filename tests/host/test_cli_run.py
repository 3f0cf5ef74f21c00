"""`krait run` on the host's side: switches, bad input, statuses, what a shell sees."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from krait.kernel.protocol.outcome import BootPhase, RecordType
from krait.machine import trial
from tests.conftest import MAIN, Run

Ending = Callable[..., str]


def boot(kernel: str, image: str, *switches: str) -> list[str]:
    return ["run", "--accel", "tcg", "--kernel", kernel, "--image", image, *switches]


def complaint(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that a user gets."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("krait: ")
    return lines[0].removeprefix("krait: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--memry", "1G", "true"], "unknown option --memry; did you mean --memory?"),
        (["-Z", "true"], "unknown option -Z"),
        (["-m"], "option -m needs a value (MEM)"),
        (["-m", "lots", "true"], "'lots' is not a size of memory"),
        (["-m", "0", "true"], "'0' is not a size of memory"),
        (["-c", "none", "true"], "'none' is not a number of CPUs"),
        (["-e", "=x", "true"], "'=x' has no name"),
        (["-v", "/etc", "true"], "'/etc' is not HOST:GUEST"),
        (["-v", "/no/such:/x", "true"], "/no/such does not exist"),
        (["--timeout", "-1", "true"], "'-1' is not a number of seconds"),
        (["--machine", "vax", "true"], "unknown machine 'vax'; there are: microvm, q35, pc"),
        (["--accel", "warp", "true"], "unknown accelerator 'warp'; there are: auto, tcg, kvm"),
        (["--vmm", "bochs", "true"], "unknown monitor 'bochs'; there are: qemu"),
        (["--arch", "vax", "true"], "unknown architecture 'vax'; there are: x86_64"),
        (["--kernel", "/no/such", "true"], "/no/such: no such kernel file"),
        (["--image", "/no/such", "true"], "/no/such: No such file or directory"),
        (["--strace=yes", "true"], "option --strace takes no value"),
        ([], "which program?"),
    ],
)
def test_bad_switches(run_krait: Run, arguments: list[str], says: str) -> None:
    assert says in complaint(run_krait("run", *arguments), 125)


def test_program_that_is_not_there(run_krait: Run, ending: Ending) -> None:
    done = run_krait("run", "--kernel", ending(), "--", "no-such-program-anywhere")
    assert "no-such-program-anywhere" in complaint(done, 127)


def test_directory(run_krait: Run, ending: Ending) -> None:
    assert "/etc" in complaint(run_krait("run", "--kernel", ending(), "--", "/etc"), 126)


def test_not_executable(run_krait: Run, ending: Ending, tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_text("text")
    done = run_krait("run", "--kernel", ending(), "--", str(path))
    assert str(path) in complaint(done, 126)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("truncated", lambda data: data[:40]),
        ("half", lambda data: data[: len(data) // 2]),
        ("class", lambda data: data[:4] + b"\x01" + data[5:]),
        ("machine", lambda data: data[:18] + struct.pack("<H", 183) + data[20:]),
        ("headers", lambda data: data[:32] + b"\xff" * 8 + data[40:]),
        ("empty", lambda data: b""),
    ],
)
def test_bad_elf(
    run_krait: Run,
    ending: Ending,
    tmp_path: Path,
    name: str,
    change: Callable[[bytes], bytes],
) -> None:
    path = tmp_path / name
    path.write_bytes(change(Path("/bin/true").read_bytes()))
    path.chmod(0o755)
    done = run_krait("run", "--kernel", ending(), "--", str(path), timeout=20)
    assert str(path) in complaint(done, 126)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_missing_libraries_are_all_named(run_krait: Run, ending: Ending, tmp_path: Path) -> None:
    source = tmp_path / "main.c"
    source.write_text("int a(void); int b(void); int main(void) { return a() + b(); }")
    for name in "ab":
        (tmp_path / f"{name}.c").write_text(f"int {name}(void) {{ return 0; }}")
        library = str(tmp_path / f"libmissing{name}.so")
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-o", library, str(tmp_path / f"{name}.c")], check=True
        )
    program = tmp_path / "program"
    command = ["gcc", "-o", str(program), str(source), f"-L{tmp_path}"]
    subprocess.run([*command, "-lmissinga", "-lmissingb"], check=True)
    for name in "ab":
        (tmp_path / f"libmissing{name}.so").unlink()
    done = run_krait("run", "--kernel", ending(), "--", str(program))
    assert done.returncode != 0
    assert "libmissinga.so" in done.stderr
    assert "libmissingb.so" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_qemu(run_krait: Run, tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    says = complaint(run_krait("run", "/bin/true", env=environment), 125)
    assert "apt-get install qemu-system-x86" in says


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_status(run_krait: Run, ending: Ending, empty_image: str, status: int) -> None:
    kernel = ending((RecordType.EXIT, struct.pack("<I", status)))
    done = run_krait(*boot(kernel, empty_image, "/x"))
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


@pytest.mark.parametrize(
    ("kind", "payload", "status", "says"),
    [
        (RecordType.PANIC, b"no frames", 125, "kernel panic: no frames"),
        (RecordType.IMAGE_ERROR, b"/bin/x page 3", 125, "the image is corrupt: /bin/x page 3"),
        (
            RecordType.MEMORY_SHORT,
            struct.pack("<QQ", 8 << 20, 4 << 20),
            137,
            "/x: ended by SIGKILL, out of memory: 8 MiB would be needed and the machine has 4",
        ),
        (RecordType.EXEC_ERROR, struct.pack("<I", 8) + b"/x", 126, "/x: Exec format error"),
        (
            RecordType.SIGNAL,
            struct.pack("<IQQ", 11, 0x1000, 0),
            139,
            "/x: ended by SIGSEGV at 0x1000, address 0x0",
        ),
    ],
)
def test_bad_ends(
    run_krait: Run,
    ending: Ending,
    empty_image: str,
    kind: RecordType,
    payload: bytes,
    status: int,
    says: str,
) -> None:
    done = run_krait(*boot(ending((kind, payload)), empty_image, "/x"))
    assert complaint(done, status).startswith(says)


def test_time_limit(run_krait: Run, trial_kernel: Callable[[bytes], str], empty_image: str) -> None:
    kernel = trial_kernel(trial.spin())
    done = run_krait(*boot(kernel, empty_image, "--timeout", "0.3", "/x"))
    assert complaint(done, 124) == "/x: still running after 0.3 s, ended"


def test_image_larger_than_memory(run_krait: Run, ending: Ending, tmp_path: Path) -> None:
    image = tmp_path / "large.rofs"
    with image.open("wb") as file:
        file.truncate(20 << 20)
    arguments = boot(ending(), str(image), "-m", "8M", "--root", "initrd", "/x")
    assert "needs 22 MiB of memory; try -m 22M" in complaint(run_krait(*arguments), 125)


def test_memory_without_room_for_the_kernel(
    run_krait: Run, ending: Ending, empty_image: str
) -> None:
    says = complaint(run_krait(*boot(ending(), empty_image, "-m", "1M", "/x")), 125)
    assert says == "the kernel alone needs 2 MiB of memory; try -m 4M"


def test_directory_that_is_gone(ending: Ending, empty_image: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = " ".join([sys.executable, "-I", str(MAIN), *boot(ending(), empty_image, "/x")])
    done = subprocess.run(
        ["sh", "-c", f"cd {gone}; rmdir {gone}; {words}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 125
    assert "the current directory does not exist any more" in done.stderr
    assert "internal" not in done.stderr


def test_cache_that_cannot_be_written(run_krait: Run, ending: Ending) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": "/proc/none"}
    done = run_krait("run", "--kernel", ending(), "/bin/true", env=environment)
    assert "XDG_CACHE_HOME" in complaint(done, 125)


def test_dry_run(run_krait: Run, ending: Ending, empty_image: str) -> None:
    done = run_krait(*boot(ending(), empty_image, "--dry-run", "--json", "/x", "a b", "-c"))
    command = json.loads(done.stdout)
    assert done.returncode == 0
    assert command[0].endswith("qemu-system-x86_64")
    line = command[command.index("-append") + 1]
    assert " arg=/x arg=a%20b arg=-c " in line
    assert "KRAIT" not in line


def test_json(run_krait: Run, ending: Ending, empty_image: str) -> None:
    kernel = ending((RecordType.EXIT, struct.pack("<I", 9)))
    done = run_krait(*boot(kernel, empty_image, "--json", "/x"))
    result = json.loads(done.stdout)
    assert done.returncode == 9
    assert (result["status"], result["kind"], result["stdout"]) == (9, "exit", "")
    assert result["seconds"] > 0


def test_bootchart(run_krait: Run, ending: Ending, empty_image: str) -> None:
    phases = [
        (RecordType.BOOT_PHASE, struct.pack("<BQQ", BootPhase.ENTRY, 1000, 0)),
        (RecordType.BOOT_PHASE, struct.pack("<BQQ", BootPhase.PROGRAM, 3000, 0)),
        (RecordType.CLOCK, struct.pack("<Q", 1_000_000)),
        (RecordType.EXIT, struct.pack("<I", 0)),
    ]
    done = run_krait(*boot(ending(*phases), empty_image, "--bootchart", "/x"))
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert lines[0].endswith("entry")
    assert lines[1].split()[0] == "2.000"
    assert "2,000 instructions" in lines[1]


def test_environment_changes(run_krait: Run, ending: Ending, empty_image: str) -> None:
    environment = {"PATH": os.environ["PATH"], "KRAIT_TRACEBACK": "", "HOME": "/nowhere"}
    switches = ["--dry-run", "--json", "-e", "A=b c", "-e", "HOME"]
    done = run_krait(*boot(ending(), empty_image, *switches, "/x"), env=environment)
    command = json.loads(done.stdout)
    line = command[command.index("-append") + 1]
    assert " env=A=b%20c" in line
    assert " env=HOME=/nowhere" in line
    assert "TRACEBACK" not in line
    assert "PYTHON" not in line


def _start(kernel: str, image: str, **streams: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", str(MAIN), *boot(kernel, image, "--", "/x")]
    return subprocess.Popen(command, start_new_session=True, **streams)  # type: ignore[call-overload,no-any-return]


def _children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(number) for number in path.read_text().split()] if path.exists() else []


def _wait_for_child(process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 10
    while not (children := _children(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return children[0]


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_machine_ends_with_krait(trial_kernel: Callable[[bytes], str], empty_image: str) -> None:
    null = subprocess.DEVNULL
    process = _start(trial_kernel(trial.spin()), empty_image, stdin=null, stdout=null)
    child = _wait_for_child(process)
    time.sleep(0.2)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 5
    while _is_running(child):
        assert time.monotonic() < deadline, "the monitor outlived krait"
        time.sleep(0.02)


def test_insistent_interrupts(trial_kernel: Callable[[bytes], str], empty_image: str) -> None:
    process = _start(trial_kernel(trial.spin()), empty_image, stdin=subprocess.DEVNULL)
    _wait_for_child(process)
    time.sleep(0.2)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert process.wait(10) == 130


def test_closed_descriptors(ending: Ending, empty_image: str) -> None:
    kernel = ending((RecordType.EXIT, struct.pack("<I", 5)))
    words = " ".join([sys.executable, "-I", str(MAIN), *boot(kernel, empty_image, "/x")])
    for closed in ("0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"):
        assert subprocess.run(["sh", "-c", f"{words} {closed}"], check=False).returncode == 5


def test_files_stay_blocking(ending: Ending, empty_image: str, tmp_path: Path) -> None:
    """A shell's next command finds its files as they were."""
    import fcntl

    kernel = ending((RecordType.EXIT, struct.pack("<I", 0)))
    with (tmp_path / "log").open("w") as file:
        file.write("before\n")
        file.flush()
        process = _start(kernel, empty_image, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        assert process.wait(20) == 0
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        assert not flags & (os.O_NONBLOCK | os.O_APPEND)
    assert (tmp_path / "log").read_text() == "before\n"
