"""What share of the CPU a thread gets by its policy and nice value (sched(7)).

All run in one fair queue (`sched.run_queue`), so a policy is a weight. Each nice level is worth
1.25 of the next. Real-time threads weigh so much that others get next to nothing while they run,
but never nothing: Linux's throttling of real-time threads (95%) comes to the same.
"""

from __future__ import annotations

from typing import Final

from krait.kernel.lang import u32
from krait.kernel.linux.task import Task

NICE_LEVELS: Final = 40
NICE_NORMAL: Final = 20
WEIGHTS: Final[list[u32]] = [
    u32(round(1024 * 1.25 ** (NICE_NORMAL - level))) for level in range(NICE_LEVELS)
]
REAL_TIME_WEIGHT: Final = 1 << 19
IDLE_WEIGHT: Final = 3  # WEIGHT_IDLEPRIO, kernel/sched/sched.h
POLICY_IDLE: Final = 5


def share_of(task: Task) -> u32:
    """Give the weight that the thread has of itself."""
    if task.real_time_priority != 0:
        return u32(REAL_TIME_WEIGHT)
    if task.policy == POLICY_IDLE:
        return u32(IDLE_WEIGHT)
    return WEIGHTS[u32(task.nice + NICE_NORMAL)]
