"""Work that must not be left behind by whoever began it.

A caller may go away, or be told to stop, while a change is being written or a region is
being audited in a thread. To let go of the lock then would let the next one begin in the
middle; nothing can call back what a thread does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is not cancelled: who is, ends when it has ended.

    For work that ends by itself in bounded time.
    """
    task = asyncio.ensure_future(work)
    stop: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            stop = error
    if stop is None:
        return task.result()
    if not task.cancelled():
        # Seen: nobody is there any more to whom it could be told.
        task.exception()
    raise stop
