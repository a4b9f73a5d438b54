"""The followed tasks of an SQLite journal. A task is out from its start until an event tells its end."""

from sqlite3 import Connection
from typing import Any

from vodworker.events import peek
from vodworker.journal.port import TASK_LIFE, Entry, Origin, Out
from vodworker.wire import loads

FOLLOW = """
INSERT INTO tasks (id, event, handler, action, ends_in, started)
SELECT task, ?, ?, action, ?, ? FROM calls WHERE entry = ? AND task = ? ORDER BY id DESC LIMIT 1
ON CONFLICT (id) DO UPDATE SET started = excluded.started, asked = 0, ask = NULL, ended = NULL, found = 0
"""
# Read from the newest event back to the call: a moment's, or what came since a reply was lost.
FIND_TOLD = """
SELECT id, body FROM events WHERE type = :type AND instr(body, :task) AND id > coalesce((
    SELECT id FROM events WHERE recorded <= (
        SELECT made FROM calls WHERE entry = :entry AND task = CAST(:task AS TEXT) ORDER BY id DESC LIMIT 1
    ) ORDER BY id DESC LIMIT 1
), 0)
"""
FIND_OVERDUE = """
SELECT id, ends_in, event, handler, action, :now - started, asked FROM tasks
WHERE ended IS NULL AND coalesce(ask, started + :first) <= :now ORDER BY coalesce(ask, started + :first) LIMIT :most
"""
PUT_OFF = "UPDATE tasks SET asked = asked + 1, ask = ? WHERE id = ?"
FIND_END = "SELECT ended, found FROM tasks WHERE id = ?"
END = "UPDATE tasks SET ended = ?, found = ? WHERE id = ?"
DROP = "DELETE FROM tasks WHERE id = ?"
DROP_OLD = "DELETE FROM tasks WHERE started < ?"
FIND_ORIGIN = "SELECT event, handler, action FROM tasks WHERE id = ?"
LIST_OUT = """
SELECT id, action, handler, event, ends_in, ? - started, asked, ask - ? FROM tasks WHERE ended IS NULL ORDER BY started
"""


def follow(db: Connection, now: float, task: str, entry: Entry, ends_in: str) -> None:
    """Expect the end of a task that a recorded call of this entry started, unless it was told since that was sent."""
    db.execute(FOLLOW, (entry.event_id, entry.handler, ends_in, now, entry.id, task))
    since = {"type": ends_in, "task": task.encode(), "entry": entry.id}
    for event, body in db.execute(FIND_TOLD, since).fetchall():
        if peek(loads(body))[2] == task:
            ended(db, task, event, found=False)


def overdue(db: Connection, now: float, first: float, limit: int) -> list[Out]:
    """See `Tasks`."""
    rows = db.execute(FIND_OVERDUE, {"now": now, "first": first, "most": limit}).fetchall()
    db.executemany(PUT_OFF, [(now + first * 2.0 ** (row[6] + 1), row[0]) for row in rows])
    return [
        Out(task, ends_in, Origin(event, handler, action), age)
        for task, ends_in, event, handler, action, age, _ in rows
    ]


def end_of(db: Connection, task: str) -> tuple[int | None, bool] | None:
    """The event that ended a task, if any did, and whether it was found by asking; None when nobody follows it."""
    row = db.execute(FIND_END, (task,)).fetchone()
    return None if row is None else (row[0], bool(row[1]))


def ended(db: Connection, task: str, event: int, *, found: bool) -> None:
    """This event tells the end of the task."""
    db.execute(END, (event, found, task))


def unfollow(db: Connection, task: str) -> None:
    """See `Tasks`."""
    db.execute(DROP, (task,))


def forget_old(db: Connection, now: float) -> None:
    """Forget the tasks that the service has forgotten."""
    db.execute(DROP_OLD, (now - TASK_LIFE,))


def origin(db: Connection, task: str) -> Origin | None:
    """See `Tasks`."""
    row = db.execute(FIND_ORIGIN, (task,)).fetchone()
    return Origin(*row) if row else None


def listed(db: Connection, now: float) -> list[dict[str, Any]]:
    """See `Desk`."""
    names = ("task", "action", "handler", "event_id", "waits_for", "age", "asked", "next_ask")
    rows = db.execute(LIST_OUT, (now, now))
    return [dict(zip(names, row, strict=True)) for row in rows]
