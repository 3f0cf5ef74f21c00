"""Says what of a trace Krait lacks: calls that it does not have, flags that it refuses, processes.

A call that failed with ENOSYS on the host, too, is nothing that the program misses. How programs
usually cope is knowledge of the programs, not of Krait, and stands in a table here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from krait.abi.declared import LAST_ARGUMENT, NO_FLAGS, Declared, declared_calls
from krait.abi.flag_names import FLAGS
from krait.abi.trace import Call, flag_bits

MISSING, FLAG, REFUSED, PROCESS = "missing", "flag", "refused", "process"

_GOES_ON = "goes on without"
_COPES = {
    "io_uring_setup": "libuv, liburing and databases fall back to epoll or threads",
    "rseq": "glibc goes on without",
    "userfaultfd": "run-times fall back to signals",
    "perf_event_open": "profilers only",
    "bpf": "tracers and service managers only",
    "seccomp": "sandboxes only; most go on without",
    "landlock_create_ruleset": "sandboxes only; most go on without",
    "keyctl": _GOES_ON,
    "add_key": _GOES_ON,
    "set_mempolicy": "NUMA libraries go on without",
    "get_mempolicy": "NUMA libraries go on without",
    "mbind": "NUMA libraries go on without",
    "move_pages": "NUMA libraries go on without",
    "migrate_pages": "NUMA libraries go on without",
    "cachestat": "only asked for statistics",
    "fanotify_init": "file watchers fall back to inotify or polling",
    "inotify_init1": "file watchers fall back to polling",
    "ptrace": "debuggers only",
    "mseal": _GOES_ON,
    "map_shadow_stack": "glibc goes on without",
    "pkey_mprotect": "V8 goes on without protection keys",
    "pkey_alloc": "V8 goes on without protection keys",
    "sched_setattr": "falls back to sched_setscheduler",
    "process_madvise": _GOES_ON,
    "statmount": "falls back to /proc/self/mountinfo",
    "listmount": "falls back to /proc/self/mountinfo",
    "mount": "administration only",
    "umount2": "administration only",
    "quotactl": "administration only",
}
_UNKNOWN = "not known: run it and see"
_PROCESSES = "the program needs a second process, which Krait does not have yet"
_CLONE_THREAD = 0x10000


class Finding(NamedTuple):
    """Something that Krait lacks for a program."""

    kind: str
    call: str
    what: str
    """The flags, or nothing."""
    errno: str
    times: int
    copes: str
    """What programs usually do, in words."""
    harmless: bool
    """They are known to go on."""


def judge(calls: Iterable[Call]) -> list[Finding]:
    """What Krait lacks for the calls of a trace; each thing once, the worst first."""
    counts: dict[tuple[str, str, str, str, str], int] = {}
    for call in calls:
        for kind, what, errno, copes in _lacks(call):
            key = (kind, call.name, what, errno, copes)
            counts[key] = counts.get(key, 0) + 1
    findings = [
        Finding(kind, call, what, errno, count, copes, copes not in (_UNKNOWN, _PROCESSES))
        for (kind, call, what, errno, copes), count in counts.items()
    ]
    order = (PROCESS, MISSING, REFUSED, FLAG)
    return sorted(findings, key=lambda each: (order.index(each.kind), each.call, each.what))


def _lacks(call: Call) -> Iterator[tuple[str, str, str, str]]:
    """Kind, what, errno and how programs cope, for each thing that one call would miss."""
    if call.error == "ENOSYS":
        return
    if call.name in ("fork", "vfork") or _makes_process(call):
        yield PROCESS, "", "ENOSYS", _PROCESSES
        return
    declared = declared_calls().get(call.name)
    if declared is None:
        yield MISSING, "", "ENOSYS", _COPES.get(call.name, _UNKNOWN)
        return
    if declared.refusal is not None:
        if call.error != declared.refusal:
            yield REFUSED, "", declared.refusal, _COPES.get(call.name, _UNKNOWN)
        return
    if call.error != "EINVAL" and (refused := _refused_flags(call, declared)):
        yield FLAG, refused, "EINVAL", _UNKNOWN


def _makes_process(call: Call) -> bool:
    """Whether a clone makes a process, not a thread."""
    if call.name not in ("clone", "clone3"):
        return False
    names = {name: bit for bit, name in FLAGS["clone"].items()}
    for argument in call.arguments:
        text = argument.removeprefix("{").partition(", ")[0]
        if text.startswith("flags="):
            bits = flag_bits(text.removeprefix("flags="), names)
            return bits is not None and not bits & _CLONE_THREAD
    return False


def _refused_flags(call: Call, declared: Declared) -> str:
    """The names of the flags that Krait refuses of a call."""
    if declared.place == NO_FLAGS:
        return ""
    place = len(call.arguments) - 1 if declared.place == LAST_ARGUMENT else declared.place
    if not 0 <= place < len(call.arguments):
        return ""
    known = FLAGS.get(call.name, {})
    bits = flag_bits(call.arguments[place], {name: bit for bit, name in known.items()})
    if bits is None:
        return ""
    rest = bits & ~declared.beside & ~declared.flags
    return "|".join(known.get(bit, f"{bit:#x}") for bit in _bits(rest))


def _bits(value: int) -> Iterator[int]:
    for index in range(64):
        if value >> index & 1:
            yield 1 << index
