"""What share of the CPU a thread gets by its policy and nice value (sched(7)).

A weight says both (`Thread.weight`): a share among those that run fairly, where each nice level is
worth 1.25 of the next, or a real-time priority above all shares. So a lock lends a waiter's
priority to its owner as it lends a share.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import static_assert, u32
from krait.kernel.linux.task import Task
from krait.kernel.sched.thread import URGENT

NICE_LEVELS: Final = 40
NICE_NORMAL: Final = 20
WEIGHTS: Final[list[u32]] = [
    u32(round(1024 * 1.25 ** (NICE_NORMAL - level))) for level in range(NICE_LEVELS)
]
static_assert(WEIGHTS[0] < URGENT)
IDLE_WEIGHT: Final = 3  # WEIGHT_IDLEPRIO, kernel/sched/sched.h
POLICY_IDLE: Final = 5


def share_of(task: Task) -> u32:
    """Give the weight that the thread has of itself."""
    if task.real_time_priority != 0:
        return URGENT + task.real_time_priority
    if task.policy == POLICY_IDLE:
        return u32(IDLE_WEIGHT)
    return fair_share_of(task)


def fair_share_of(task: Task) -> u32:
    """Give the share that the nice value alone stands for."""
    return WEIGHTS[u32(task.nice + NICE_NORMAL)]
