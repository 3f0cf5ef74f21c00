"""Threads that take from a pool, and tasks that end in the order of their sleeps."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

print(f"hello from {sys.implementation.name}")
with ThreadPoolExecutor(4) as pool:
    print("squares of 1 to 100:", sum(pool.map(lambda n: n * n, range(1, 101))))


async def main() -> None:
    """Let three tasks end one after the other, started the other way round."""
    ended: list[int] = []

    async def task(number: int) -> None:
        await asyncio.sleep(number / 20)
        ended.append(number)

    await asyncio.gather(*map(task, (3, 2, 1)))
    print("tasks:", *ended)


asyncio.run(main())
