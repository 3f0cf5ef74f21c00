"""Writes `docs/abi.md` from the registrations of the system calls.

    PYTHONPATH=src python docs/generate_abi.py

What a call implements is what its `@syscall(...)` declares; this only adds the names that Linux's
headers give to the bits. `tests/host/test_docs_abi.py` fails when the page is not current.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from krait.abi import refused
from krait.abi.declared import always_answers
from krait.abi.flag_names import FLAGS
from krait.kernel.lang.syscalls import REGISTERED
from krait.kernel.linux import table
from krait.kernel.linux.numbers import NUMBERS

PAGE = Path(__file__).with_name("abi.md")

OPENING = """\
# The Linux system calls of Krait

This page is written by `docs/generate_abi.py` from the `@syscall` registrations; do not edit it.

x86-64 Linux has {total} named calls. {present} are implemented, {refused} are known and always
refused, and the other {missing} are not known: they answer ENOSYS, and the first use of each is
logged by name. Flags are those that a call's registration declares. Calls that take commands or
protections instead of flags (`fcntl`, `ioctl`, `prctl`, `mmap`) check them themselves.
"""

REFUSED = """\
## Known and refused

These are registered so that programs get the answer that they know how to take.

| call | answer |
|---|---|
"""

REFUSED_FLAGS = """\
## Flags that are refused

A bit that is not listed with a call is answered as Linux answers bits that it does not know: with EINVAL
by most calls, not at all by `open`, `openat`, `send…`, `recv…` and a few others.
`tests/guest/programs/flags.c` asks for each bit of each call on the host and in a guest, and the
answers may differ in these flags, which Linux knows and Krait refuses (`src/krait/abi/refused.py`), and
in no others:

| call | flag | answer | why |
|---|---|---|---|
"""

REFUSED_ARGUMENTS = """\
Other arguments that are refused; `tests/guest/programs/calls.c` asks for each.

| call | argument | answer |
|---|---|---|
"""
REFUSED_ARGUMENTS_ROWS = (
    ("close_range", "CLOSE_RANGE_UNSHARE while there are other threads", "EINVAL"),
    ("fallocate", "COLLAPSE_RANGE, INSERT_RANGE, ZERO_RANGE", "EOPNOTSUPP (as Linux's tmpfs)"),
    ("mmap", "MAP_HUGETLB", "ENOMEM: none are set aside"),
    ("mount", "MS_BIND, MS_MOVE, MS_REMOUNT, MS_SHARED, …", "EINVAL"),
    ("mount", "kinds but tmpfs and ramfs", "ENODEV"),
    ("shmget", "SHM_HUGETLB", "ENOMEM"),
    ("socket", "all families but AF_UNIX", "EAFNOSUPPORT"),
)

MISSING = """\
## Not known: ENOSYS

| calls | why |
|---|---|
"""
REASONS = {
    "Linux itself has no such call": (
        "_sysctl afs_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms "
        "get_thread_area getpmsg lookup_dcookie nfsservctl putpmsg query_module security "
        "set_thread_area tuxcall uselib vserver"
    ),
    "newer than Linux 6.1": (
        "cachestat futex_requeue futex_wait futex_wake listmount lsm_get_self_attr "
        "lsm_list_modules lsm_set_self_attr map_shadow_stack mseal statmount"
    ),
    "need several processes or name spaces": "process_mrelease ptrace setns unshare",
    "not yet: programs fall back to epoll and threads": (
        "io_uring_enter io_uring_register io_uring_setup"
    ),
    "a sandbox around programs; here it is the virtual machine": (
        "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"
    ),
    "the kernel has no modules, keys, quotas, accounts, swap or second kernel": (
        "acct add_key delete_module finit_module init_module kexec_file_load kexec_load keyctl "
        "quotactl quotactl_fd request_key swapoff swapon"
    ),
    "administration of mounts beyond mount and umount2": (
        "fsconfig fsmount fsopen fspick mount_setattr move_mount open_tree pivot_root"
    ),
    "for tracers and profilers of the system": (
        "bpf fanotify_init fanotify_mark perf_event_open userfaultfd"
    ),
    "restarting needs no call of its own here": "restart_syscall",
    "16-bit and 32-bit segments": "modify_ldt",
    "memory that the kernel itself cannot reach": "memfd_secret",
    "there is one memory node": "set_mempolicy_home_node",
    "numbers of file systems, long out of use": "sysfs ustat",
}
"""Why each call that nobody registers is not there."""

NOT_TRAPPED = """\
## Privileged instructions

A program runs in ring 0, as the kernel does; the virtual machine is the boundary. Instructions that
a processor refuses in user mode are therefore not all refused here. A program that uses one on
purpose can stop or corrupt its own virtual machine.

| instruction | on Linux | here |
|---|---|---|
"""
NOT_TRAPPED_ROWS = (
    (
        "`hlt`", "SIGSEGV",
        ("SIGSEGV where the image lists it: in programs and musl's libraries, by disassembly; the "
        "program's code shows 0xd6 in its place. Elsewhere it waits for an interrupt"),
    ),
    (
        "`cli`; `popf` that clears IF", "SIGSEGV; IF stays",
        "not trapped: interrupts stay off until the next system call or trap",
    ),
    ("`in`, `out`, `ins`, `outs`", "SIGSEGV", "not trapped: the device is reached"),
    (
        ("`mov` to and from control and debug registers, `lgdt`, `lidt`, `lldt`, `ltr`, `lmsw`, "
        "`clts`, `invlpg`, `wbinvd`, `swapgs`, `sysret`"),
        "SIGSEGV", "not trapped",
    ),
    ("`rdmsr`, `wrmsr`", "SIGSEGV", "not trapped; a register that does not exist: SIGSEGV"),
    (
        "`wrgsbase`, loading `%gs`", "allowed",
        ("overwrites the kernel's own: `arch_prctl(ARCH_SET_GS)` is refused and AT_HWCAP2 does not "
        "offer FSGSBASE"),
    ),
    ("any, with EFLAGS.AC set and an odd address", "SIGBUS", "no alignment check in ring 0"),
)  # fmt: skip


class Call(NamedTuple):
    """One registration."""

    name: str
    function: Callable[..., Any]
    flags: int


def page() -> str:
    """The whole page."""
    calls = [
        Call(bytes(entry.name).decode(), entry.function, int(entry.flags)) for entry in REGISTERED
    ]
    answers = {call.name: answer for call in calls if (answer := always_answers(call.function))}
    missing = sorted(set(NUMBERS) - {call.name for call in calls})
    parts = [
        OPENING.format(
            total=len(NUMBERS), present=len(calls) - len(answers), refused=len(answers),
            missing=len(missing),
        )
    ]  # fmt: skip
    for module in table.MODULES:
        family = [
            call
            for call in calls
            if call.function.__module__ == module.__name__ and call.name not in answers
        ]
        if family:
            parts.append("\n".join(section(module, family)) + "\n")
    parts.append(REFUSED_FLAGS + "".join(f"{line}\n" for line in refused_flags()))
    parts.append(
        REFUSED_ARGUMENTS + "".join(f"| {' | '.join(row)} |\n" for row in REFUSED_ARGUMENTS_ROWS)
    )
    parts.append(
        REFUSED + "".join(f"| {name} | {answer} |\n" for name, answer in sorted(answers.items()))
    )
    parts.append(MISSING + "".join(f"{line}\n" for line in reasons(missing)))
    rows = "".join(f"| {' | '.join(row)} |\n" for row in NOT_TRAPPED_ROWS)
    return "\n".join([*parts, NOT_TRAPPED + rows])


def reasons(missing: list[str]) -> Iterator[str]:
    """A line for each reason; every call has one."""
    given = [name for names in REASONS.values() for name in names.split()]
    if sorted(given) != missing:
        raise SystemExit(f"docs/generate_abi.py: REASONS: {set(given) ^ set(missing)}")
    for reason, names in REASONS.items():
        yield f"| {', '.join(names.split())} | {reason} |"


def refused_flags() -> Iterator[str]:
    """A line for each."""
    for each in refused.REFUSED:
        calls = each.calls.replace("pipe_preadv2 ", "")
        calls = calls.replace("io_submit_options", "io_submit").replace("_resolve", "")
        yield f"| {', '.join(calls.split())} | {each.name} | {each.answer} | {each.why} |"


def section(module: Any, family: list[Call]) -> Iterator[str]:
    """The calls of one module."""
    title = (module.__doc__ or "").strip().splitlines()[0].split(":")[0].rstrip(".")
    yield f"## {title}"
    yield ""
    yield f"`src/{module.__name__.replace('.', '/')}.py`"
    yield ""
    yield "| nr | call | flags |"
    yield "|---|---|---|"
    for call in sorted(family, key=lambda each: NUMBERS[each.name]):
        yield f"| {NUMBERS[call.name]} | {signature(call)} | {' '.join(names_of_flags(call))} |"


def signature(call: Call) -> str:
    """The name with its parameters."""
    parameters = ", ".join(name.strip("_") for name in inspect.signature(call.function).parameters)
    return f"**{call.name}**({parameters})"


def names_of_flags(call: Call) -> Iterator[str]:
    """Linux's names of the bits that a call implements."""
    names = FLAGS.get(call.name, {})
    for bit in (1 << index for index in range(64)):
        if call.flags & bit:
            if bit not in names:
                raise SystemExit(f"docs/generate_abi.py: {call.name} has no name for flag {bit:#x}")
            yield names[bit]


assert set(FLAGS) <= set(NUMBERS)

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE, file=sys.stderr)
