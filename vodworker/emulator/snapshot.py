"""The whole account as a value: taken from a running emulator, saved, loaded, and put back."""

from copy import copy
from dataclasses import fields

from pydantic import TypeAdapter

from vodworker.emulator import library, tasks
from vodworker.emulator.service import Service
from vodworker.emulator.state import VERSION, Saved, State
from vodworker.errors import ConfigError

_SAVED = TypeAdapter(Saved)


def read(body: bytes) -> Saved:
    """A snapshot that was taken as JSON; pydantic's ValidationError for another thing, ConfigError for another age."""
    saved = _SAVED.validate_json(body)
    if saved.version != VERSION:
        raise ConfigError([f"this is a snapshot of version {saved.version}, not {VERSION}; take another"])
    return saved


def taken(service: Service) -> Saved:
    """What the account holds now, the events that nobody has confirmed included."""
    events = tuple(event.content.decode() for event in service.queue)
    state = copy(service.state)
    for field in fields(State):
        if isinstance(value := getattr(state, field.name), dict):
            setattr(state, field.name, dict(value))  # what is in it is frozen
    return Saved(VERSION, service.clock.now(), service.queue.last_handle, events, state, service.origin)


def put_back(service: Service, saved: Saved) -> None:
    """Make the account what it was; the clock that tasks live on, too. What was counted and seen stays.

    Handles from before are not known any more, and none is given twice. The bytes of files are not part of it: those
    of a file that was deleted meanwhile are gone.
    """
    for field in fields(State):
        now, then = getattr(service.state, field.name), getattr(saved.state, field.name)
        if isinstance(now, dict):  # others hold on to it
            now.clear()
            now.update(then)
        else:
            setattr(service.state, field.name, then)
    service.queue.clear()
    service.queue.last_handle = max(service.queue.last_handle, saved.handle)
    for event in saved.events:
        service.queue.put(event.encode())
    service.clock.close()
    service.clock.step(saved.now - service.clock.now())
    resume(service)


def resume(service: Service) -> None:
    """Go on with what is under way in an account that was put back or loaded."""
    tasks.resume(service)
    library.expire(service, *service.state.files.values())
    service.hold.wake()
