"""Where a handler runs: on the interrupted stack or on the alternate one (sigaltstack(2))."""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import u32, u64
from krait.kernel.linux.signal_state import TaskSignals
from krait.kernel.linux.signals import ActionFlags

ON_STACK: Final = 1
DISABLE: Final = 2
AUTODISARM: Final = 1 << 31
MINIMUM: Final = 2048  # MINSIGSTKSZ


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


def choose_stack(signals: TaskSignals, stack_pointer: u64, flags: u64, red_zone: u64) -> u64:
    """Give the address below which the handler's frame goes; 0 if there is no room for any."""
    wants_alternate = flags & u64(ActionFlags.ONSTACK) != 0
    available = signals.stack_flags & DISABLE == 0 and signals.stack_size != 0
    if wants_alternate and available and not on_alternate_stack(signals, stack_pointer):
        return signals.stack_address.wrapping_add(signals.stack_size)
    if stack_pointer < red_zone:
        return 0
    return stack_pointer - red_zone
