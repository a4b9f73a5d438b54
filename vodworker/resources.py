"""What handlers keep open while the daemon works: opened before the first event, closed after the last."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from vodworker.door import plugin_door
from vodworker.errors import PluginError
from vodworker.log import log
from vodworker.outcome import describe
from vodworker.router import Route, Router, our_end


@asynccontextmanager
async def opened(router: Router, options: Mapping[str, Any], *, limit: float) -> AsyncGenerator[Mapping[str, Any]]:
    """What the resources of each handler gave, by its name. limit: seconds for opening them, all at once.

    Raises `PluginError` with every handler whose resources cannot be opened. What goes wrong later is told: a handler
    whose pool has died fails by itself, and does not end the others.
    """
    over = asyncio.Event()
    kept = [Kept(route) for route in router.routes.values() if route.marked.resources]
    async with asyncio.TaskGroup() as keeping:  # a keeper raises nothing, so the group never ends what it is left for
        for one in kept:
            keeping.create_task(one.keep(options[one.route.name], over, limit), name=f"resources of {one.route.name}")
        for one in kept:
            await one.tried.wait()
        problems = [one.problem for one in kept if one.problem]
        try:
            if not problems:
                yield {one.route.name: one.value for one in kept}
        finally:
            over.set()
    if problems:
        raise PluginError("\n".join(problems))


class Kept:
    """The resources of one handler. They have a task of their own, which their own tasks may end."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.value: object = None
        self.problem = ""
        self.tried = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Kept for {self.route.name}: {self.problem or self.value!r}>"

    async def keep(self, options: object, over: asyncio.Event, limit: float) -> None:
        """Open them, keep them until it is over, and close them."""
        opens = self.route.marked.resources
        with plugin_door(our_end) as failure:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(limit):
                    self.value = await stack.enter_async_context(opens(options)) if opens else None
                self.tried.set()
                await over.wait()
        if failure.error is not None:
            it = f"handler {self.route.name} at {self.route.where}"
            slow = isinstance(failure.error, TimeoutError) and not str(failure.error) and not self.tried.is_set()
            why = f"they took more than {limit:g} s" if slow else describe(failure.error)
            if not self.tried.is_set():
                self.problem = f"{it}: its resources cannot be opened: {why}"
            log.error("resources.failed", handler=self.route.name, why=why, exc_info=failure.error)
        self.tried.set()
