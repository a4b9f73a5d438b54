"""The reference page of the log, from its table."""

from itertools import groupby

from vodworker.log import FIELDS, LOG_EVENTS

HEAD = """\
# The log

Written from the table in `vodworker/log.py` by `make docs`; a test holds the two together, and
the code to the table. Names and fields are an interface: they change as settings do, and the changelog tells.

Each line is one JSON object on stdout: `time` (UTC, to the millisecond), `level`, `event`, and facts. What is logged
while an event is handled carries `event_id`, `event_type`, `key`, `handler` and `attempt` too. Handlers' own lines
(`ctx.log.info("upload.seen", …)`) have whatever names and facts they give. What the daemon logs in one turn of its
loop is written together, so that `kill -9` may take the lines of the last milliseconds along; the journal has what they
told.

| level | whose business it is |
|---|---|
| `debug` | not written, unless `log.level` says so |
| `info` | tells what happened |
| `warning` | passes by itself; worth a look if it is frequent |
| `error` | waits for somebody |
| `critical` | the last line of a daemon that cannot go on |
"""


def reference() -> str:
    """The page."""
    parts = [HEAD, "\n## Lines\n"]
    for noun, names in groupby(LOG_EVENTS, key=lambda name: name.partition(".")[0]):
        parts.append(f"\n### {noun}\n\n| event | level | fields | means | what to do |\n|---|---|---|---|---|\n")
        for name in names:
            it = LOG_EVENTS[name]
            fields = ", ".join(f"`{field}`" for field in it.fields)
            parts.append(f"| `{name}` | {it.level} | {fields} | {it.meaning} | {it.remedy} |\n")
    parts.append("\n## Fields\n\n| field | is |\n|---|---|\n")
    parts += [f"| `{name}` | {meaning} |\n" for name, meaning in FIELDS.items()]
    return "".join(parts)
