"""What the daemon is given: its settings and its handlers, in a folder."""

from pathlib import Path

from vodworker.api import ACTIONS
from vodworker.config import Settings, load
from vodworker.emulator.server import Emulator

DEFINITIONS = (10, 20, 30)  # of the three tasks that are submitted for each upload
CEILINGS = {  # calls in 60 s, here and there: enough for thousands of events, too few for all of them at once
    "ProcessFile": 1800,
    "GetTaskInfo": 1800,
    "GetTaskList": 1800,  # a kill in each four seconds leaves three calls a second in doubt; three lists tell of one
}
GRACE = 5.0
TIMEOUT = 5.0  # of a call
PATIENCE = 180.0  # seconds for the backlog to drain when nothing goes wrong any more
LAST_WORDS = 12
OPEN = ("blocked", "ready", "running")  # states of an entry that has not ended

CONFIG = """\
[account]
endpoint = "{endpoint}"
secret_id = "{secret_id}"
secret_key_file = "{folder}/secret_key"

[journal]
url = "sqlite:///{folder}/vodworker.db"

[work]
grace = {grace}
lease = 10

[calls]
timeout = {timeout}

[limits]
{limits}

[log]
format = "json"

[handlers]
directories = ["{folder}/handlers"]
concurrency = 64
attempts = 50  # a kill counts as one, and here there are more kills than any real machine sees
"""

HANDLERS = '''\
"""Three tasks for each upload, and a note of every event that was handled."""

from pathlib import Path

from vodworker import Context, on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload, ProcedureStateChanged

HEARD = Path(__file__).parent.parent / "heard"


@on(NewFileUpload)
async def submit(event: NewFileUpload, ctx: Context) -> None:
    for definition in {definitions}:
        await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[definition])))
    note(event.file_id)


@on(ProcedureStateChanged)
async def follow(event: ProcedureStateChanged, ctx: Context) -> None:
    note(event.vod_task_id)


def note(name: str) -> None:
    with HEARD.open("a") as file:  # one short write: whole or not at all
        file.write(f"{{name}}\\n")
'''


def prepare(folder: Path, emulator: Emulator) -> Settings:
    """Write the daemon's settings file and handlers, and read the settings for ourselves."""
    (folder / "secret_key").write_text(emulator.secret_key)
    (folder / "handlers").mkdir(exist_ok=True)
    (folder / "handlers" / "tormented.py").write_text(HANDLERS.format(definitions=DEFINITIONS))
    (folder / "heard").touch()
    file = folder / "vodworker.toml"
    limits = "\n".join(f"{action} = {limit}" for action, limit in CEILINGS.items())
    file.write_text(
        CONFIG.format(
            endpoint=emulator.url,
            secret_id=emulator.secret_id,
            folder=folder,
            grace=GRACE,
            timeout=TIMEOUT,
            limits=limits,
        )
    )
    return load(file=file, environ={}, actions=ACTIONS)
