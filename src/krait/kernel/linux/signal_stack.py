"""Where a handler runs: on the interrupted stack or on the alternate one (sigaltstack(2))."""

from __future__ import annotations

from typing import Final, NamedTuple

from krait.kernel.errno import EINVAL, ENOMEM, EPERM
from krait.kernel.lang import Errno, u32, u64
from krait.kernel.linux.signal_state import TaskSignals
from krait.kernel.linux.signals import ActionFlags

ON_STACK: Final = 1
DISABLE: Final = 2
AUTODISARM: Final = 1 << 31
MINIMUM: Final = 2048  # MINSIGSTKSZ


class StackChoice(NamedTuple):
    """The address below which the frame goes, and whether it has to end in the alternate stack."""

    top: u64
    is_alternate: bool


def on_alternate_stack(signals: TaskSignals, stack_pointer: u64) -> bool:
    """Say whether this address is inside the alternate stack, which then cannot be changed."""
    if signals.stack_flags & u32(AUTODISARM) != 0:
        return False
    return is_inside(signals, stack_pointer)


def is_inside(signals: TaskSignals, stack_pointer: u64) -> bool:
    """Say whether an address is inside the alternate stack."""
    if signals.stack_size == 0 or stack_pointer <= signals.stack_address:
        return False
    return stack_pointer - signals.stack_address <= signals.stack_size


def stack_flags(signals: TaskSignals, stack_pointer: u64) -> u32:
    """Give what sigaltstack(2) tells: no alternate stack, on it, or neither."""
    automatic = signals.stack_flags & u32(AUTODISARM)
    if signals.stack_size == 0:
        return automatic | DISABLE
    if on_alternate_stack(signals, stack_pointer):
        return automatic | ON_STACK
    return automatic


def change_stack(
    signals: TaskSignals, stack_pointer: u64, address: u64, size: u64, flags: u32
) -> None:
    """Set the alternate stack; EPERM while it is in use, EINVAL, ENOMEM."""
    if on_alternate_stack(signals, stack_pointer):
        raise Errno(EPERM)
    mode = flags & ~u32(AUTODISARM)
    if mode not in (0, ON_STACK, DISABLE):
        raise Errno(EINVAL)
    if mode == DISABLE:
        address = 0
        size = 0
    elif size < MINIMUM:
        raise Errno(ENOMEM)
    signals.stack_address = address
    signals.stack_size = size
    signals.stack_flags = flags


def forget_stack(signals: TaskSignals) -> None:
    """Have no alternate stack any more."""
    signals.stack_address = 0
    signals.stack_size = 0
    signals.stack_flags = DISABLE


def choose_stack(
    signals: TaskSignals, stack_pointer: u64, flags: u64, red_zone: u64
) -> StackChoice:
    """Choose where the handler's frame goes; top 0 if there is no room for any."""
    below = stack_pointer - min(stack_pointer, red_zone)
    nested = on_alternate_stack(signals, below)
    if flags & u64(ActionFlags.ONSTACK) != 0 and signals.stack_size != 0 and not nested:
        return StackChoice(signals.stack_address.wrapping_add(signals.stack_size), True)
    return StackChoice(below, nested)
