"""On which memory node pages lie, and protection keys: calls of large machines.

There is one node and all memory is on it, so every policy that names no other node is kept without
any effect; a node that does not exist is refused. Protection keys are refused as on a CPU that has
none.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.errno import E2BIG, EFAULT, EINVAL, ENODEV, ENOENT, ENOSPC, EPERM, ESRCH
from krait.kernel.fs.credentials import CAP_SYS_NICE
from krait.kernel.lang import Errno, UserPointer, i32, syscall, u32, u64
from krait.kernel.linux.memory_calls import PAGE_MASK, PROGRAM_TOP, mprotect
from krait.kernel.linux.task import current_credentials, current_process, current_task

MODE_DEFAULT: Final = 0  # MPOL_*, include/uapi/linux/mempolicy.h
MODE_PREFERRED: Final = 1
MODE_LOCAL: Final = 4
MODE_MAX: Final = 5
MODE_FLAGS: Final = 7 << 13
STATIC_AND_RELATIVE: Final = 3 << 14
BALANCING: Final = 1 << 13
BINDING: Final = 2
GET_NODE: Final = 1
GET_ADDRESS: Final = 2
GET_ALLOWED: Final = 4
MOVE_FLAGS: Final = 6  # MPOL_MF_MOVE, MPOL_MF_MOVE_ALL
MOVE_ALL: Final = 4
BIND_FLAGS: Final = 7
MASK_BITS_MAX: Final = 4096 * 8
NODE_MASK: Final = 1
INTERLEAVED: Final = 3


def check_move(flags: u32) -> None:
    """Raise EPERM for moving what other processes share, which takes a capability."""
    if flags & MOVE_ALL != 0 and not current_credentials().has(CAP_SYS_NICE):
        raise Errno(EPERM)


def read_nodes(mask: u64, bits: u64) -> bool:
    """Read a set of nodes: whether it has node 0; one with any other node is refused."""
    if mask == 0 or bits <= 1:
        return False
    bits -= 1
    if bits > MASK_BITS_MAX:
        raise Errno(EINVAL)
    words = UserPointer[u64](mask)
    some = False
    for index in range((bits + 63) // 64):
        word = words.load_at(index)
        rest = bits - index * 64
        if rest < 64:
            word &= (u64(1) << rest) - 1
        if index == 0 and word & NODE_MASK != 0:
            some = True
            word &= ~u64(NODE_MASK)
        if word != 0:
            raise Errno(EINVAL)
    return some


def check_policy(mode: u32, some: bool) -> None:
    """Refuse a policy that makes no sense; raises EINVAL."""
    kind = mode & ~u32(MODE_FLAGS)
    if kind > MODE_MAX or mode & STATIC_AND_RELATIVE == STATIC_AND_RELATIVE:
        raise Errno(EINVAL)
    if mode & BALANCING != 0 and kind != BINDING:
        raise Errno(EINVAL)
    if kind in (MODE_DEFAULT, MODE_LOCAL):
        if some or (kind == MODE_LOCAL and mode & STATIC_AND_RELATIVE != 0):
            raise Errno(EINVAL)
    elif not some and (kind != MODE_PREFERRED or mode & STATIC_AND_RELATIVE != 0):
        raise Errno(EINVAL)


@syscall("set_mempolicy")
def set_mempolicy(mode: u32, mask: u64, bits: u64) -> None:
    """Set the policy of the thread."""
    some = read_nodes(mask, bits)
    check_policy(mode, some)
    task = current_task()
    task.memory_policy = mode
    task.memory_nodes = u64(some)


@syscall("get_mempolicy")
def get_mempolicy(
    mode: UserPointer[i32], mask: UserPointer[u64], bits: u64, address: u64, flags: u32
) -> None:
    """Give the policy of the thread, the node of an address, or the nodes allowed."""
    if flags & ~u32(GET_NODE | GET_ADDRESS | GET_ALLOWED) != 0:
        raise Errno(EINVAL)
    if not mask.is_null and bits < 1:
        raise Errno(EINVAL)
    task = current_task()
    policy = task.memory_policy
    nodes = task.memory_nodes
    if flags & GET_ALLOWED != 0:
        if flags & ~u32(GET_ALLOWED) != 0:
            raise Errno(EINVAL)
        policy = u32(0)
        nodes = u64(NODE_MASK)
    elif flags & GET_ADDRESS != 0:
        if current_process().space.find(address) is None:
            raise Errno(EFAULT)
        policy = u32(0)
        nodes = u64(0)
    elif address != 0:
        raise Errno(EINVAL)
    elif flags & GET_NODE != 0:
        if policy & ~u32(MODE_FLAGS) != INTERLEAVED:
            raise Errno(EINVAL)
        policy = u32(0)
    if not mode.is_null:
        mode.store(i32(policy))
    if not mask.is_null:
        mask.store(nodes)


@syscall("mbind")
def mbind(address: u64, length: u64, mode: u32, mask: u64, bits: u64, flags: u32) -> None:
    """Set the policy of a range."""
    if flags & ~u32(BIND_FLAGS) != 0 or address & PAGE_MASK != 0:
        raise Errno(EINVAL)
    check_move(flags)
    check_policy(mode, read_nodes(mask, bits))
    end = address.checked_add(length, EINVAL).checked_add(PAGE_MASK, EINVAL) & ~u64(PAGE_MASK)
    if end == address:
        return
    space = current_process().space
    while address < end:
        vma = space.find(address)
        if vma is None:
            raise Errno(EFAULT)
        address = vma.end


@syscall("move_pages")
def move_pages(
    pid: u32,
    count: u64,
    pages: UserPointer[u64],
    nodes: UserPointer[i32],
    status: UserPointer[i32],
    flags: u32,
) -> None:
    """Tell on which node pages are, or move them to the only one."""
    if flags & ~u32(MOVE_FLAGS) != 0:
        raise Errno(EINVAL)
    check_move(flags)
    if count > 1 << 40:
        raise Errno(E2BIG)
    check_pid(pid)
    for index in range(count):
        address = pages.load_at(index)
        if not nodes.is_null and nodes.load_at(index) != 0:
            raise Errno(ENODEV)
        status.store_at(index, node_of(address))


def node_of(address: u64) -> i32:
    """Give the node of a page, or a negative error."""
    space = current_process().space
    if address >= PROGRAM_TOP or space.find(address) is None:
        return -i32(EFAULT)
    return i32(0) if space.is_resident(address) else -i32(ENOENT)


@syscall("migrate_pages")
def migrate_pages(pid: u32, bits: u64, old: u64, new: u64) -> u32:
    """Move the pages of a process from some nodes to others; gives how many could not be."""
    read_nodes(old, bits)
    some = read_nodes(new, bits)
    check_pid(pid)
    if not some:
        raise Errno(EINVAL)
    return 0


def check_pid(pid: u32) -> None:
    """Refuse all processes but this; raises ESRCH."""
    if pid != 0 and pid != current_process().pid:
        raise Errno(ESRCH)


@syscall("pkey_alloc")
def pkey_alloc(flags: u64, rights: u64) -> u32:
    """Give a protection key: there are none, as on a CPU without them."""
    if flags != 0 or rights & ~u64(3) != 0:
        raise Errno(EINVAL)
    raise Errno(ENOSPC)


@syscall("pkey_free")
def pkey_free(key: i32) -> None:
    """Take a protection key back, which nobody can have."""
    raise Errno(EINVAL)


@syscall("pkey_mprotect")
def pkey_mprotect(address: u64, length: u64, protection: u32, key: i32) -> None:
    """Change what a range allows; -1 stands for no key."""
    if key != -1:
        raise Errno(EINVAL)
    mprotect(address, length, protection)
