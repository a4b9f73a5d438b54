"""A walk over the table of actions: each is served, goes from client to emulator and back, is answered as declared.

What the manual says of a reply is what its class declares, so a reply is held to that: nothing in it is undeclared or
of another type, and a call on an account that has something of everything is answered with every field.
"""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.world import SETTINGS, Scene, good_calls, scene
from tests.parameters import built
from tests.replies import ABSENT, undeclared, unread, unsaid
from vodworker.api import ACTIONS, GetTaskInfo
from vodworker.api.action import Action, Group, Reply
from vodworker.cloud.account import Account
from vodworker.cloud.client import Vod
from vodworker.cloud.limiter import Limiter
from vodworker.emulator.server import FAMILIES
from vodworker.emulator.tasks import KINDS
from vodworker.errors import Refused
from vodworker.events import EVENTS
from vodworker.journal.sqlite import open_sqlite
from vodworker.sign import nonces
from vodworker.wire import loads

NAMES = sorted(ACTIONS)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Walk:
    """An account with something of everything, and the client."""

    scene: Scene
    vod: Vod


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk() -> AsyncIterator[Walk]:
    """One account for all steps of the walk; each step begins with it as it was."""
    async with (
        scene() as place,
        open_sqlite(":memory:") as store,
        Limiter(store, limit=SETTINGS.ceilings.__getitem__, hold=15.0) as limiter,
        aiohttp.ClientSession() as http,
    ):
        emulator = place.call.emulator
        account = Account(emulator.url, secret_id=emulator.secret_id, secret_key=emulator.secret_key)
        chance = random.Random(7).random
        yield Walk(place, Vod(http, account, limiter=limiter, nonces=nonces(chance).__next__, random=chance, retries=0))


async def test_every_action_is_served() -> None:
    """What is declared is served, and nothing else, each by one family."""
    served = [action for family in FAMILIES for action in family]

    assert sorted(ACTIONS.values(), key=repr) == sorted(served, key=repr)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=8)
async def test_any_call_goes_there_and_back(walk: Walk, name: str, data: st.DataObject) -> None:
    """Whatever parameters the declarations allow, the reply is of the declared type, or a code that is documented."""
    call = meant(data.draw(built(ACTIONS[name])), await walk.scene.good(name))
    reply = await answer(walk.vod, call)

    assert reply.code in {0, *call.errors, GATEWAY, MISSING_FILE}
    assert isinstance(reply, Refused | call.reply)
    assert isinstance(reply, Refused) or [] == list(undeclared(reply))


async def answer(vod: Vod, call: Action[Reply]) -> Reply | Refused:
    """The reply to a call, or the service's refusal."""
    try:
        return await vod.call(call)
    except Refused as refused:
        return refused


GATEWAY, MISSING_FILE = 4000, 10008  # may come from actions, too, that document no codes of their own


def meant(call: Group, good: dict[str, Any]) -> Action[Reply]:
    """The same about things that exist: hypothesis would not guess an id."""
    assert isinstance(call, Action)
    known = type(call).model_validate(good)
    return call.model_copy(update={name: getattr(known, name) for name in NAMING & known.model_fields_set})


NAMING = {
    *("file_id", "file_ids", "src_file_id", "src_file_list", "file", "vid", "para", "class_id", "parent_id"),
    *("vod_session_key", "vod_task_id", "msg_handle", "edk_list", "url", "hosts", "host"),
    *("start_date", "end_date", "date", "from_", "to", "start_time", "end_time", "procedure"),
}


@pytest.mark.parametrize("name", NAMES)
async def test_good_call_is_answered_as_declared(walk: Walk, name: str) -> None:
    """A reply on an account with something of everything holds every declared field, and each can be read."""
    told = await walk.scene.call.good(name, **await walk.scene.good(name))
    reply = ACTIONS[name].reply.model_validate(told)

    assert [] == list(unread(told, reply))
    assert ABSENT.get(name, set()) == set(unsaid(reply))


async def test_tasks_of_every_kind_are_told_as_declared(walk: Walk) -> None:
    """Between them, tasks of all kinds tell every declared field of a task's data, and nothing else."""
    walk.scene.restore()
    call, started = walk.scene.call, [walk.scene.world.task]
    for name in ("ConvertVodFile", "ClipVideo", "ConcatVideo", "CreateSnapshotByTimeOffset", "CreateImageSprite"):
        good = good_calls(walk.scene.world, "")[name]
        started.append((await call.good(name, **good))["vodTaskId"])
    pulled = await call.good("MultiPullVodFile", **good_calls(walk.scene.world, "")["MultiPullVodFile"])
    started.append(pulled["data"][0]["vod_task_id"])
    call.emulator.clock.advance(60)
    replies = [await call.good("GetTaskInfo", vodTaskId=task) for task in started]
    read = [GetTaskInfo.reply.model_validate(reply) for reply in replies]

    assert {*KINDS} == {reply["type"] for reply in replies}
    assert [] == [name for told, reply in zip(replies, read, strict=True) for name in unread(told, reply)]
    assert set() == set.intersection(*(set(unsaid(reply)) for reply in read))


RETIRED = {
    # Of accounts that had every upload searched, by a setting of the console that is no more; no action asks for it.
    "PorncheckComplete",
    # Of autumn 2017; the action that answered it is in no manual of today.
    "ApplyManualReview",
}


async def test_every_event_comes_of_what_causes_it(walk: Walk) -> None:
    """The good calls of all actions bring out every type of event, each action the one that it declares."""
    caused = dict[str, set[str]]()
    for name in NAMES:
        good = await walk.scene.good(name)
        waiting = len(walk.scene.call.emulator.queue)
        await walk.scene.call.good(name, **good)
        walk.scene.call.emulator.clock.advance(3600)
        queued = [*walk.scene.call.emulator.queue][waiting - (name == "ConfirmEvent") :]
        caused[name] = {loads(event.content)["eventType"] for event in queued}

    declared = {name: {action.starts_task} - {None} for name, action in ACTIONS.items()}
    assert {} == {name: events for name, events in declared.items() if not events <= caused[name]}
    assert set(EVENTS) - RETIRED == set.union(*caused.values())
