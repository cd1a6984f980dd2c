"""Concurrent tasks of one request."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def run_all(tasks: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run the tasks concurrently. Raises the error of the first task that fails, and cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
