"""The shipped handlers, loaded and run as the daemon would, with a service that only takes notes."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vodworker.events import Event
from vodworker.router import Caller, Router
from vodworker.testing import Recorder, context

SHIPPED = Path(__file__).resolve().parents[2] / "handlers"


@dataclass
class Stage:
    """A handler runs here. vod: what it submitted; told: what it logged; replace them at will."""

    router: Router
    vod: Recorder = field(default_factory=Recorder)
    told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def run(
        self,
        handler: str,
        event: Event,
        /,
        *,
        vod: Caller | None = None,
        attempt: int = 1,
        event_id: int = 1,
        **options: Any,
    ) -> object:
        """Run a handler with these options, through the plug-in door; what it returned or raised."""
        ctx = context(vod or self.vod, options=options, attempt=attempt, event_id=event_id, told=self.told)
        return await self.router.routes[handler].run(event, ctx)


@pytest.fixture(scope="session")
def shipped() -> Router:
    """All shipped handlers."""
    return Router.load([SHIPPED])


@pytest.fixture
def stage(shipped: Router) -> Stage:
    """A stage of its own for each test."""
    return Stage(shipped)
