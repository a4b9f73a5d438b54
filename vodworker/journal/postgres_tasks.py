"""The followed tasks of a PostgreSQL journal. A task is out from its start until an event tells its end."""

from collections.abc import Mapping, Sequence
from typing import Any

from vodworker.events import peek
from vodworker.journal.port import TASK_LIFE, Entry, Origin, Out
from vodworker.journal.session import Session
from vodworker.wire import loads

FOLLOW = """
INSERT INTO tasks (id, event, handler, action, ends_in, started)
SELECT task, %s, %s, action, %s, %s FROM calls WHERE entry = %s AND task = %s ORDER BY id DESC LIMIT 1
ON CONFLICT (id) DO UPDATE SET started = excluded.started, asked = 0, ask = NULL, ended = NULL, found = false
"""
# In two steps, so that the planner knows how few events there are since the call.
LAST_BEFORE = """
SELECT events.id FROM events, (SELECT made FROM calls WHERE entry = %s AND task = %s ORDER BY id DESC LIMIT 1) AS call
WHERE recorded <= made ORDER BY events.id DESC LIMIT 1
"""
FIND_TOLD = "SELECT id, body FROM events WHERE id > %s AND type = %s AND position(%s::bytea IN body) > 0"
TAKE_OVERDUE = """
WITH asked AS (SELECT %s::float8 AS now, %s::float8 AS first),
overdue AS (
    SELECT id, coalesce(ask, started + first) AS since FROM tasks, asked
    WHERE ended IS NULL AND coalesce(ask, started + first) <= now
    ORDER BY since LIMIT %s FOR UPDATE OF tasks SKIP LOCKED
)
UPDATE tasks SET asked = tasks.asked + 1, ask = now + first * 2.0 ^ (tasks.asked + 1) FROM overdue, asked
WHERE tasks.id = overdue.id
RETURNING since, tasks.id, ends_in, event, handler, action, now - started
"""
FIND_ENDS = "SELECT id, ended, found FROM tasks WHERE id = ANY (%s)"
END = """
UPDATE tasks SET ended = told.event, found = told.found
FROM unnest(%s::text[], %s::bigint[], %s::boolean[]) AS told (task, event, found) WHERE id = task
"""
DROP = "DELETE FROM tasks WHERE id = %s"
DROP_OLD = "DELETE FROM tasks WHERE started < %s"
FIND_ORIGIN = "SELECT event, handler, action FROM tasks WHERE id = %s"
LIST_OUT = """
SELECT id, action, handler, event, ends_in, now - started, asked, ask - now
FROM tasks, (SELECT %s::float8 AS now) AS clock WHERE ended IS NULL ORDER BY started
"""


def follow(db: Session, now: float, task: str, entry: Entry, ends_in: str) -> None:
    """Expect the end of a task that a recorded call of this entry started, unless it was told since that was sent."""
    db.do(FOLLOW, entry.event_id, entry.handler, ends_in, now, entry.id, task)
    before = next((event for (event,) in db.rows(LAST_BEFORE, entry.id, task)), 0)
    for event, body in db.rows(FIND_TOLD, before, ends_in, task.encode()):
        if peek(loads(body))[2] == task:
            ended(db, {task: (event, False)})


def overdue(db: Session, now: float, first: float, limit: int) -> list[Out]:
    """See `Tasks`. No two replicas take the same."""
    rows = sorted(db.rows(TAKE_OVERDUE, now, first, limit))
    return [
        Out(task, ends_in, Origin(event, handler, action), age)
        for _, task, ends_in, event, handler, action, age in rows
    ]


def ends_of(db: Session, tasks: Sequence[str]) -> dict[str, tuple[int | None, bool]]:
    """Of each of these tasks that is followed: the event that ended it, if any did, and whether it was found."""
    return {task: (event, found) for task, event, found in db.rows(FIND_ENDS, [*tasks])} if tasks else {}


def ended(db: Session, ends: Mapping[str, tuple[int | None, bool]]) -> None:
    """These events tell the ends of these tasks."""
    db.each(END, [(task, event, found) for task, (event, found) in ends.items()])


def unfollow(db: Session, task: str) -> None:
    """See `Tasks`."""
    db.do(DROP, task)


def forget_old(db: Session, now: float) -> None:
    """Forget the tasks that the service has forgotten."""
    db.do(DROP_OLD, now - TASK_LIFE)


def origin(db: Session, task: str) -> Origin | None:
    """See `Tasks`."""
    rows = db.rows(FIND_ORIGIN, task)
    return Origin(*rows[0]) if rows else None


def listed(db: Session, now: float) -> list[dict[str, Any]]:
    """See `Desk`."""
    names = ("task", "action", "handler", "event_id", "waits_for", "age", "asked", "next_ask")
    return [dict(zip(names, row, strict=True)) for row in db.rows(LIST_OUT, now)]
