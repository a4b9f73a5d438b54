"""How far back the service looks: days that it has counted, and the code for those that it has not, or no more."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any, TypeVar

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import ILLEGAL, Code, Within
from vodworker.emulator.calendar import day_of
from vodworker.emulator.refusal import Refusal
from vodworker.emulator.service import Answer, Service

CallT = TypeVar("CallT", bound=Action[Any])
BEGINNINGS = {"start_date": "end_date", "from_": "to", "start_time": "end_time"}  # and the ends that belong to them


def looking_back(
    serve: Callable[[Service, CallT], Awaitable[Answer]],
) -> Callable[[Service, CallT], Awaitable[Answer]]:
    """Serve only calls that ask for days which the declaration allows, in their order."""

    async def checked(service: Service, call: CallT) -> Answer:
        check(call, day_of(service.clock.now()))
        return await serve(service, call)

    return checked


def check(call: Action[Reply], today: date) -> None:
    """Refuse a day that lies ahead or too far back, and an end before its beginning, with the parameter's own code."""
    for name, field in type(call).model_fields.items():
        days = next((fact.days for fact in field.metadata if isinstance(fact, Within)), None)
        if days is None:
            continue
        code = next((fact.number for fact in field.metadata if isinstance(fact, Code)), ILLEGAL)
        day = _day(getattr(call, name))
        if not today - timedelta(days=days) <= day <= today:
            raise Refusal(code, f"{field.alias} is {day}, not within the {days} days up to {today}")
        if name in BEGINNINGS and getattr(call, BEGINNINGS[name]) < getattr(call, name):
            raise Refusal(code, f"{field.alias} is after the end")


def _day(value: date | int) -> date:
    return value if isinstance(value, date) else day_of(min(value, LAST))


LAST = 253_402_214_400  # the last day that a date can be
