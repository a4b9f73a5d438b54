"""Plain functions of others, each in a thread of its own."""

import asyncio
import contextvars
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from vodworker.door import plugin_door

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[[], object]) -> object:
    """Run a plain function in a thread of its own; returns what it returned, or raises what it raised."""
    outcome: object = None

    def run() -> BaseException | None:
        nonlocal outcome
        with plugin_door() as failure:
            outcome = function()
        return failure.error

    context, loop = contextvars.copy_context(), asyncio.get_running_loop()
    error = await loop.run_in_executor(DAEMON_THREADS, functools.partial(context.run, run))
    if error is not None:
        raise error
    return outcome


class DaemonThreads(Executor):
    """A daemon thread for each call and no pool: at its end the interpreter waits for a pool's threads, hung or not."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the function, which must not raise, at once."""
        future = Future[T]()
        future.set_running_or_notify_cancel()  # from here on nobody can cancel it: a thread cannot be stopped
        threading.Thread(
            target=lambda: future.set_result(function(*args, **kwargs)), name="handler", daemon=True
        ).start()
        return future


DAEMON_THREADS = DaemonThreads()
