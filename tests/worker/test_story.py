"""Any story against a model: events come, come twice and equal earlier ones, calls fail, daemons die at any step.

What was promised is counted at the end, by witnesses that know nothing of the journal: the service has the tasks, and
the handlers tell in which order they ran. A worker that breaks a promise is caught, which is shown here, too.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.conftest import Death, Mortal
from vodworker.api import ProcessFile, Transcode
from vodworker.emulator import Plan
from vodworker.emulator.faults import Cut, Duplicate, Http
from vodworker.events import NewFileUpload
from vodworker.handler import Context, on
from vodworker.journal.port import COPY_SPAN, Arrival, Filter, Store
from vodworker.testing import World, in_virtual_time
from vodworker.worker import Rules

pytestmark = pytest.mark.no_cover

TEMPLATES = (10, 20, 30, 40, 210, 220)
RULES = Rules(lease=10.0)


@dataclass(frozen=True, slots=True)
class Life:
    """A daemon that lives for so many seconds, or dies at an operation on its journal, by number or by name."""

    seconds: float
    dies_at: int = 0
    after: bool = False
    dies_in: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What happens at an instant. upload: an event of a video; again: one that equals it, once all are confirmed.

    deny: confirmations are refused for longer than a handle lives.
    """

    at: float
    kind: Literal["upload", "again", "deny"]
    video: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """Daemons, one after the other, what happens meanwhile, and the seed of what goes wrong; None: nothing."""

    lives: Sequence[Life]
    deeds: Sequence[Deed]
    seed: int | None = None
    return_after: float = 5.0


class Changed:
    """A store, some verbs of which do something else."""

    def __init__(self, store: Store, **verbs: Callable[..., Any]) -> None:
        self._store = store
        self._verbs = verbs

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """The other verb, which gets the true one first; or the true one."""
        verb = getattr(self._store, name)
        other = self._verbs.get(name)
        return verb if other is None else lambda *args, **kwargs: other(verb, *args, **kwargs)


class Told:
    """A story as it is played, and what must come of it."""

    def __init__(self, it: World, story: Story, change: Callable[[Store], Store]) -> None:
        self.it = it
        self.story = story
        self.change = change
        self.videos = [it.video(name) for name in "abc"]
        self.expected: Counter[tuple[str, int]] = Counter()  # the tasks that are to be started
        self.emitted: dict[int, dict[str, Any]] = {}
        self.handled: list[tuple[str, int]] = []
        self.accepted: set[int] = set()  # events that the worker knows to be confirmed

    async def play(self) -> list[str]:
        """Everything; the promises that were broken."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._happen())
            for life in self.story.lives:
                await self._live(life)
        self.it.emulator.faults.clear()
        self.it.emulator.ceilings["ConfirmEvent"] = 1000
        for _ in range(30):
            await self._live(Life(20.0))
            if self.handled and not len(self.it.emulator.queue) and not await self._open():
                break
        return await self._broken()

    async def _live(self, life: Life) -> None:
        def through(store: Store) -> Store:
            mortal = Mortal(self.change(store), dies_at=life.dies_at, after=life.after, dies_in=life.dies_in)
            return cast("Store", Changed(cast("Store", mortal), mark=self._mark))

        self.it.through = through
        try:
            async with self.it.worker(self._handler(), rules=RULES, streams=1):
                await asyncio.sleep(life.seconds)
        except* Death:
            pass

    async def _happen(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        for number, deed in enumerate(sorted(self.story.deeds, key=lambda deed: deed.at)):
            await asyncio.sleep(began + deed.at - clock())
            match deed.kind:
                case "upload" if number < len(TEMPLATES):
                    data = {"fileId": self.videos[deed.video], "number": number}
                    self._emit(number, {"version": "4.0", "eventType": "NewFileUpload", "data": data})
                case "again" if self.emitted and await self._confirmed():
                    first = min(self.emitted)
                    self._emit(first, self.emitted[first])
                case "deny":
                    self.it.emulator.ceilings["ConfirmEvent"] = 0
                    await asyncio.sleep(32)
                    self.it.emulator.ceilings["ConfirmEvent"] = 1000
                case _:
                    pass

    def _emit(self, number: int, content: dict[str, Any]) -> None:
        self.it.emit(content)
        self.emitted[number] = content
        self.expected[content["data"]["fileId"], TEMPLATES[number]] += 1

    def _handler(self) -> Any:
        @on(NewFileUpload)
        async def submit(event: NewFileUpload, ctx: Context) -> None:
            number: int = event.data["number"]
            await asyncio.sleep(2.0 - number / 4)  # what comes later is quicker, and must wait all the same
            part = Transcode(definition=[TEMPLATES[number]])
            await ctx.vod.call(ProcessFile(file_id=event.key, transcode=part, notify_mode="None"))
            self.handled.append((event.key, number))

        return submit

    async def _mark(self, mark: Any, events: Sequence[int], how: str) -> None:
        await mark(events, how)
        self.accepted |= {*events} if how == "accepted" else set()

    async def _confirmed(self) -> bool:
        async with self.it.journal() as store:
            return (await store.counts())["events"] == len(self.accepted) and not len(self.it.emulator.queue)

    async def _open(self) -> int:
        async with self.it.journal() as store:
            counts = await store.counts()
        return counts["ready"] + counts["running"] + counts["blocked"]

    async def _broken(self) -> list[str]:
        emulator = self.it.emulator
        tasks = Counter((task.file_id, task.steps[0].input["definition"]) for task in emulator.state.tasks.values())
        async with self.it.journal() as store:
            entries = await store.list(Filter(limit=1000))
            shown = [await store.show(row["event_id"]) for row in reversed(entries)]
            counts = await store.counts()
        bodies = [one["body"] for one in shown if one]
        denied = any(deed.kind == "deny" for deed in self.story.deeds)  # then a handle may have to wait
        checks = {
            "lost": self.expected - tasks or len(emulator.queue) or counts["dead"] or await self._open(),
            "twice": tasks - self.expected,
            "late": emulator.queue.late or (emulator.audit.smallest_margin < 20 and not denied),
            "order": any(self._order(video) != recorded(bodies, video) for video in self.videos),
        }
        return [name for name, broken in checks.items() if broken]

    def _order(self, video: str) -> list[int]:
        """In which order the events of a video were handled; a run that died after its work did it again."""
        return [number for number, _ in groupby(number for key, number in self.handled if key == video)]


def recorded(bodies: Sequence[dict[str, Any]], video: str) -> list[int]:
    """In which order the events of a video came."""
    numbers = [body["data"]["number"] for body in bodies if body["data"]["fileId"] == video]
    return [number for number, _ in groupby(numbers)]


def tell(story: Story, change: Callable[[Store], Store] = lambda store: store) -> list[str]:
    """Play a story from its beginning; the promises that were broken."""

    @in_virtual_time
    async def told() -> list[str]:
        faults = (Cut(rate=0.1, when="after"), Http(rate=0.05, when="after"), Duplicate(rate=0.2))
        plan = Plan() if story.seed is None else Plan(seed=story.seed, faults=faults)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "journal.db"
            async with World.open(path, faults=plan, return_after=story.return_after) as it:
                return await Told(it, story, change).play()

    return told()


LIVES = st.builds(Life, st.floats(1, 40), st.integers(0, 60), st.booleans())
DEEDS = st.builds(
    Deed, st.floats(0, 60), st.sampled_from(["upload", "upload", "upload", "again", "deny"]), st.integers(0, 2)
)
STORIES = st.builds(Story, st.lists(LIVES, max_size=4), st.lists(DEEDS, min_size=1, max_size=8), st.integers(0, 999))


@pytest.mark.timeout(120)
@given(STORIES)
@settings(max_examples=12)
def test_no_story_breaks_a_promise(story: Story) -> None:
    """Whatever happens in whatever order: nothing is lost, nothing paid for twice, nothing late, nothing overtaken."""
    assert [] == tell(story)


# Workers that break a promise


async def nothing(_verb: Any, *_args: Any, **_kwargs: Any) -> None:
    """Does not do it."""


async def deaf(record: Any, arrivals: Sequence[Arrival]) -> Any:
    """An event is kept, and nobody gets it."""
    return await record([arrival._replace(handlers=()) for arrival in arrivals])


async def keyless(record: Any, arrivals: Sequence[Arrival]) -> Any:
    """Events have no order."""
    return await record([arrival._replace(key="") for arrival in arrivals])


async def slow(record: Any, arrivals: Sequence[Arrival]) -> Any:
    """Events are confirmed when half of the time is over."""
    await asyncio.sleep(15)
    return await record(arrivals)


async def unheard(mark: Any, events: Sequence[int], how: str) -> None:
    """It is not written that a confirmation was accepted."""
    if how != "accepted":
        await mark(events, how)


async def hasty(mark: Any, events: Sequence[int], how: str) -> None:
    """A confirmation that is sent is taken for accepted."""
    await mark(events, "accepted" if how == "sent" else how)


async def stubborn(mark: Any, events: Sequence[int], how: str) -> None:
    """A confirmation that had no effect stays sent."""
    if how != "void":
        await mark(events, how)


UPLOADS = [Deed(at, "upload", 0) for at in (0.0, 0.0, 0.0)]
PLAIN = Story([Life(30)], UPLOADS)
EQUAL = Story([Life(30)], [*UPLOADS, Deed(20, "again")])
KILLED = Story([Life(30, dies_in="settle")], UPLOADS)
DENIED = Story([Life(90)], [Deed(0, "upload"), Deed(0, "deny")])
OUTAGE = Story([Life(COPY_SPAN + 200)], DENIED.deeds, return_after=COPY_SPAN + 60)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "story,verbs,expected",
    [
        (PLAIN, {"record": deaf}, ["lost"]),
        (PLAIN, {"record": keyless}, ["order"]),
        (PLAIN, {"record": slow}, ["late"]),
        (EQUAL, {"mark": unheard}, ["lost"]),
        (DENIED, {"mark": hasty}, ["twice"]),
        (OUTAGE, {"mark": stubborn}, ["twice"]),
        (KILLED, {"find": nothing}, ["twice"]),
    ],
)
def test_broken_promise_is_caught(story: Story, verbs: dict[str, Any], expected: list[str]) -> None:
    """A worker that breaks a promise is caught by a story in which one that does not is not."""
    kept = tell(story)
    broken = tell(story, lambda store: cast("Store", Changed(store, **verbs)))

    assert ([], expected) == (kept, broken)
