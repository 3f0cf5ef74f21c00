"""What run-times read of /proc and /sys has the form that it has on the host.

Each file has a pattern that every line of it must match, on the host and in the guest, so that the
patterns themselves are checked against Linux. Files of `KEY: VALUE` lines may have fewer keys than
the host's, which is newer, but no others, and must have those listed here.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tests.comparison import ENVIRONMENT, run_in_guest, run_on_host
from tests.conftest import Run

PROGRAM = str(Path(__file__).parent / "programs" / "read_system_files.py")
PYTHON = "/usr/bin/python3"
KIB = r" +\d+ kB"
MAPPING = r"[0-9a-f]{8,16}-[0-9a-f]{8,16} [r-][w-][x-][ps] [0-9a-f]{8} [0-9a-f]+:[0-9a-f]+ \d+ .*"
CPU_LIST = r"\d+(-\d+)?(,\d+(-\d+)?)*"
MASK = r"[0-9a-f]+(,[0-9a-f]{8})*"

LINES: dict[str, str] = {
    "/proc/self/stat": r"\d+ \([^)]+\) [RSDZTXI]( -?\d+){49}",
    "/proc/self/statm": r"\d+( \d+){6}",
    "/proc/self/maps": MAPPING,
    "/proc/self/smaps": rf"{MAPPING}|\w+:{KIB}|(THPeligible|ProtectionKey): +\d+|"
    r"VmFlags:( [a-z0-9]{2})+ ",
    "/proc/self/smaps_rollup": rf"{MAPPING}|\w+:{KIB}",
    "/proc/self/io": r"\w+: \d+",
    "/proc/self/mountinfo": r"\d+ \d+ \d+:\d+ /\S* /\S* \S+( \S+:\d+)* - \S+ \S+ \S+",
    "/proc/self/mounts": r"\S+ /\S* \S+ \S+ 0 0",
    "/proc/mounts": r"\S+ /\S* \S+ \S+ 0 0",
    "/proc/self/limits": r"Limit {21}Soft Limit {11}Hard Limit {11}Units {5}"
    r"|Max [a-z ]{21} [a-z0-9 ]{20} [a-z0-9 ]{20} ([a-z ]{10})?",
    "/proc/self/cgroup": r"\d+:[^:]*:/.*",
    "/proc/self/comm": r"\S+",
    "/proc/self/oom_score": r"\d+",
    "/proc/self/oom_score_adj": r"-?\d+",
    "/proc/self/personality": r"[0-9a-f]{8}",
    "/proc/self/schedstat": r"\d+ \d+ \d+",
    "/proc/self/coredump_filter": r"[0-9a-f]{8}",
    "/proc/self/timerslack_ns": r"\d+",
    "/proc/self/uid_map": r" +\d+ +\d+ +\d+",
    "/proc/self/gid_map": r" +\d+ +\d+ +\d+",
    "/proc/self/setgroups": r"allow",
    "/proc/self/cpuset": r"/.*",
    "/proc/self/loginuid": r"\d+",
    "/proc/self/sessionid": r"\d+",
    "/proc/self/wchan": r"\w+",
    "/proc/self/fdinfo/0": r"(pos|mnt_id|ino|eventfd-count):\t\d+|flags:\t0[0-7]+",
    "/proc/thread-self/comm": r"\S+",
    "/proc/cmdline": r".*",
    "/proc/cpuinfo": r"[a-zA-Z _]+\t*: ?.*|",
    "/proc/devices": r"(Character|Block) devices:| *\d+ \S+|",
    "/proc/diskstats": r" +\d+ +\d+ \S+( \d+){17}",
    "/proc/cgroups": r"#subsys_name\thierarchy\tnum_cgroups\tenabled|\w+\t\d+\t\d+\t[01]",
    "/proc/filesystems": r"(nodev)?\t\w+",
    "/proc/interrupts": r" +(CPU\d+ +)+|[ 0-9A-Z]{3}:( +\d+)+( +.*)?",
    "/proc/loadavg": r"(\d+\.\d\d ){3}\d+/\d+ \d+",
    "/proc/meminfo": rf"[\w()]+:{KIB}|HugePages_\w+: +\d+",
    "/proc/partitions": r"major minor  #blocks  name|| +\d+ +\d+ +\d+ \S+",
    "/proc/stat": r"cpu\d* +\d+( \d+){9}|(intr|softirq) \d+( \d+)*"
    r"|(ctxt|btime|processes|procs_running|procs_blocked) \d+",
    "/proc/swaps": r"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority|/.*",
    "/proc/uptime": r"\d+\.\d\d \d+\.\d\d",
    "/proc/version": r"Linux version \d+\.\d+\.\S+ \(.*\) #.*",
    "/proc/vmstat": r"\w+ \d+",
    "/proc/sys/kernel/random/boot_id": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "/proc/sys/kernel/random/uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab].*",
    "/proc/sys/kernel/ostype": r"Linux",
    "/proc/sys/kernel/osrelease": r"\d+\.\d+\.\S+",
    "/proc/sys/kernel/version": r"#\d+ .*",
    "/proc/sys/kernel/hostname": r"\S+",
    "/proc/sys/kernel/domainname": r"\S+",
    "/proc/sys/kernel/sem": r"\d+\t\d+\t\d+\t\d+",
    "/proc/sys/fs/file-nr": r"\d+\t\d+\t\d+",
    "/sys/devices/system/cpu/online": CPU_LIST,
    "/sys/devices/system/cpu/possible": CPU_LIST,
    "/sys/devices/system/cpu/present": CPU_LIST,
    "/sys/devices/system/cpu/offline": rf"|{CPU_LIST}",
    "/sys/devices/system/cpu/isolated": rf"|{CPU_LIST}",
    "/sys/devices/system/cpu/kernel_max": r"\d+",
    "/sys/devices/system/cpu/cpu0/topology/core_id": r"\d+",
    "/sys/devices/system/cpu/cpu0/topology/physical_package_id": r"\d+",
    "/sys/devices/system/cpu/cpu0/topology/core_siblings": MASK,
    "/sys/devices/system/cpu/cpu0/topology/core_siblings_list": CPU_LIST,
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings": MASK,
    "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list": CPU_LIST,
    "/sys/devices/system/cpu/cpu0/topology/package_cpus_list": CPU_LIST,
    "/sys/devices/system/node/online": CPU_LIST,
    "/sys/devices/system/node/possible": CPU_LIST,
    "/sys/devices/system/node/node0/cpulist": CPU_LIST,
    "/sys/devices/system/node/node0/cpumap": MASK,
    "/sys/devices/system/node/node0/distance": r"10( \d+)*",
    "/sys/devices/system/node/node0/meminfo": r"Node 0 [\w()]+: +\d+( kB)?",
    "/sys/kernel/mm/transparent_hugepage/enabled": r"\[?always\]? \[?madvise\]? \[?never\]?",
    "/sys/kernel/mm/transparent_hugepage/defrag": r"[\[\]a-z+ ]+",
    "/sys/kernel/mm/transparent_hugepage/shmem_enabled": r"[\[\]a-z_ ]+",
    "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size": r"2097152",
    "/sys/fs/cgroup/cgroup.controllers": r"\w+( \w+)*",
    "/sys/fs/cgroup/cgroup.procs": r"\d+",
    "/sys/fs/cgroup/cpu.max": r"(max|\d+) \d+",
    "/sys/fs/cgroup/cpu.weight": r"\d+",
    "/sys/fs/cgroup/cpu.stat": r"\w+ \d+",
    "/sys/fs/cgroup/cpuset.cpus.effective": CPU_LIST,
    "/sys/fs/cgroup/memory.max": r"max|\d+",
    "/sys/fs/cgroup/memory.high": r"max|\d+",
    "/sys/fs/cgroup/memory.swap.max": r"max|\d+",
    "/sys/fs/cgroup/memory.current": r"\d+",
    "/sys/fs/cgroup/memory.peak": r"\d+",
    "/sys/fs/cgroup/memory.stat": r"\w+ \d+",
    "/sys/fs/cgroup/memory.events": r"\w+ \d+",
    "/sys/fs/cgroup/pids.current": r"\d+",
    "/sys/fs/cgroup/pids.max": r"max|\d+",
}

NUMBERS = """
    kernel/pid_max kernel/threads-max kernel/cap_last_cap kernel/ngroups_max kernel/msgmax
    kernel/randomize_va_space kernel/shmmax kernel/shmall kernel/shmmni kernel/overflowuid
    kernel/perf_event_paranoid kernel/sched_rr_timeslice_ms kernel/tainted
    kernel/random/entropy_avail kernel/random/poolsize
    vm/max_map_count vm/overcommit_memory vm/overcommit_ratio vm/mmap_min_addr vm/swappiness
    vm/nr_hugepages
    fs/file-max fs/nr_open fs/pipe-max-size fs/aio-max-nr fs/inotify/max_user_watches
    fs/inotify/max_user_instances fs/inotify/max_queued_events fs/epoll/max_user_watches
    fs/mqueue/msg_max fs/mqueue/msgsize_max fs/mqueue/queues_max
    net/core/somaxconn net/unix/max_dgram_qlen
"""
LINES |= {f"/proc/sys/{name}": r"\d+" for name in NUMBERS.split()}

STATUS = """
    Name Umask State Tgid Ngid Pid PPid TracerPid Uid Gid FDSize Groups NSpid VmPeak VmSize VmLck
    VmHWM VmRSS RssAnon RssFile RssShmem VmData VmStk VmExe VmLib VmPTE VmSwap Threads SigQ SigPnd
    ShdPnd SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Cpus_allowed
    Cpus_allowed_list Mems_allowed_list voluntary_ctxt_switches nonvoluntary_ctxt_switches
"""

KEYED: dict[str, tuple[str, str]] = {
    "/proc/self/status": (":", STATUS),
    "/proc/self/smaps": (":", "Size Rss Pss Private_Dirty Anonymous Swap VmFlags"),
    "/proc/self/smaps_rollup": (":", "Rss Pss Private_Dirty Anonymous"),
    "/proc/self/sched": (":", "se.sum_exec_runtime nr_switches policy prio"),
    "/proc/self/io": (
        ":",
        "rchar wchar syscr syscw read_bytes write_bytes cancelled_write_bytes",
    ),
    "/proc/meminfo": (
        ":",
        """MemTotal MemFree MemAvailable Buffers Cached Active Inactive Active(anon)
        Inactive(anon) Active(file) Inactive(file) SwapTotal SwapFree""",
    ),
    "/proc/stat": (" ", "cpu cpu0 intr ctxt btime processes procs_running procs_blocked"),
    "/proc/vmstat": (" ", "nr_free_pages pgfault pgmajfault"),
    "/proc/cpuinfo": (":", "processor vendor_id model_name flags cpu_cores siblings"),
}


@cache
def read_files() -> tuple[dict[str, object], dict[str, object]]:
    """Read everything once on the host and once in a guest."""
    command = [PYTHON, PROGRAM, *LINES, *KEYED, "/proc/self/auxv", "/proc/self/environ",
               "/proc/self/cmdline", "/proc/self/exe"]  # fmt: skip
    here = run_on_host(command, b"", ENVIRONMENT)
    there = run_in_guest(command, b"", ENVIRONMENT, ("-c", "2"))
    assert there.status == 0, there.errors.decode()
    return json.loads(here.output), json.loads(there.output)


def text_of(files: dict[str, object], path: str) -> str:
    """The text of a file, which must be there."""
    found = files.get(path)
    assert isinstance(found, str), f"{path}: error {found}"
    return found


@pytest.mark.parametrize("path", LINES)
def test_lines_have_linux_s_form(path: str) -> None:
    here, there = read_files()
    pattern = re.compile(LINES[path])
    for side, files in (("host", here), ("guest", there)):
        if side == "host" and not isinstance(files[path], str):
            continue  # another configuration of Linux
        for line in text_of(files, path).removesuffix("\n").split("\n"):
            assert pattern.fullmatch(line), f"{side}: {path}: {line!r}"


@pytest.mark.parametrize("path", KEYED)
def test_keys_are_linux_s(path: str) -> None:
    separator, wanted = KEYED[path]
    here, there = (
        {
            line.partition(separator)[0].strip().replace(" ", "_")
            for line in text_of(files, path).splitlines()
            if separator in line and not re.match("[0-9a-f]{8,}-|python3|Node", line)
        }
        for files in read_files()
    )
    assert not set(wanted.split()) - there, "missing"
    assert not there - here - {"cpu0", "cpu1", "cpu_MHz", "cache_size"}, "not Linux's"


def test_what_can_be_written() -> None:
    here, there = read_files()
    assert there["renamed"] == here["renamed"] == "renamed\n\n"  # Linux keeps the line feed
    assert there["written /proc/sys/kernel/hostname"] == "other\n"
    assert there["written /proc/sys/kernel/domainname"] == "example\n"
    assert there["written /proc/self/oom_score_adj"] == "-500\n"
    assert there["uname"] == "other"
    assert there["refused"] == here["refused"]


def test_threads_are_listed() -> None:
    _, there = read_files()
    assert there["threads"] == [1, 2]
    assert there["thread-self"] == "1/task/1"
    assert text_of(there, "/proc/self/status").count("Threads:\t2\n") == 1


def test_the_group_does_not_limit_the_machine() -> None:
    _, there = read_files()
    assert text_of(there, "/proc/self/cgroup") == "0::/\n"
    assert text_of(there, "/sys/fs/cgroup/memory.max") == "max\n"
    assert " - cgroup2 " in text_of(there, "/proc/self/mountinfo")
    total = int(text_of(there, "/proc/meminfo").split()[1])
    assert 480 << 10 < total <= 512 << 10


def test_both_cpus_are_there() -> None:
    _, there = read_files()
    assert text_of(there, "/sys/devices/system/cpu/online") == "0-1\n"
    assert text_of(there, "/proc/cpuinfo").count("processor\t:") == 2
    assert "\ncpu1 " in text_of(there, "/proc/stat")
    assert "Cpus_allowed_list:\t0-1\n" in text_of(there, "/proc/self/status")
    assert text_of(there, "/sys/fs/cgroup/cpuset.cpus.effective") == "0-1\n"
    assert text_of(there, "/proc/interrupts").splitlines()[0].split() == ["CPU0", "CPU1"]


def test_counters_move() -> None:
    _, there = read_files()
    stat = dict(line.split(" ", 1) for line in text_of(there, "/proc/stat").splitlines())
    assert int(stat["ctxt"]) > 0
    assert int(stat["intr"].split()[0]) > 0
    assert int(text_of(there, "/proc/vmstat").split("pgfault ")[1].split()[0]) > 100


NAMES_AGAIN = """
import os
def objects():
    with open("/proc/slabinfo") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("kmalloc-"))
names = ["/proc/sys/kernel/pid_max", "/proc/sys/vm/nothing", "/proc/self/task/1/status",
         "/sys/devices/system/cpu/online", "/proc/self/fd/0", "/etc/nothing"]
for _ in range(2):
    before = objects()
    for name in names:
        for _ in range(500):
            os.access(name, os.R_OK)
print(objects() - before < 100, objects() - before)
"""


def test_names_that_are_looked_up_again() -> None:
    """Each is kept once, in directories too that no walk finds again: /proc's own are not kept."""
    there = run_in_guest(["/usr/bin/python3", "-c", NAMES_AGAIN], b"", ENVIRONMENT, ("-m", "128M"))
    assert there.output.startswith(b"True"), there.output + there.errors


NAMES = """
import os
def sizes():
    with open("/proc/meminfo") as file:
        found = dict(line.split(":") for line in file)
    print(*(int(found[name].split()[0]) for name in ("MemAvailable", "Slab", "SReclaimable")))
def forget():
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
forget()
sizes()
for number in range(3000):
    os.path.exists("/tmp/" + "x" * 200 + str(number))
for folder, _, names in os.walk("/usr"):
    for name in names:
        os.lstat(f"{folder}/{name}")
sizes()
forget()
sizes()
"""


@pytest.mark.guest
def test_names_and_files_that_can_go_are_available(run_krait: Run) -> None:
    """What the caches of names take comes back, and MemAvailable has said so."""
    done = run_krait("run", "-m", "128M", "--", "/usr/bin/python3", "-S", "-E", "-c", NAMES)
    before, full, after = (list(map(int, line.split())) for line in done.stdout.splitlines())
    assert full[1] - before[1] > 1000, "nothing was cached"
    assert full[2] > 0.7 * (full[1] - before[1])
    assert abs(full[0] - after[0]) < 250


TRANSFERS = """
import os
def counts():
    with open("/proc/self/io", "rb", buffering=0) as file:
        return [int(line.split()[1]) for line in file.read(4096).splitlines()[:4]]
file = os.open("/tmp/counted", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
before = counts()
os.write(file, bytes(1000)); os.pwrite(file, bytes(10), 0); os.writev(file, [bytes(3), bytes(4)])
os.pread(file, 100, 0); os.preadv(file, [bytearray(5), bytearray(6)], 0); os.read(file, 7)
try: os.read(os.open("/", os.O_RDONLY), 1)
except OSError as error: print(error.errno)
between = counts()
other = os.open("/tmp/copied", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.sendfile(other, file, 0, 500); os.copy_file_range(file, other, 50, 0, 0)
after = counts()
own = between[0] - before[0] - 111  # of reading the counts
print(before[1:2] != between[1:2], [b - a for a, b in zip(before[1:], between[1:])], own < 400)
print([b - a for a, b in zip(between[1:], after[1:])])
os.unlink("/tmp/counted"); os.unlink("/tmp/copied")
"""


@pytest.mark.guest
def test_what_was_read_and_written_is_counted() -> None:
    """As on the host: bytes and calls of each kind, those that failed included."""
    words = [PYTHON, "-S", "-c", TRANSFERS]
    host = run_on_host(words, b"", ENVIRONMENT)
    guest = run_in_guest(words, b"", ENVIRONMENT)
    assert host.output.startswith(b"21\nTrue")
    assert guest.output == host.output, guest.errors
