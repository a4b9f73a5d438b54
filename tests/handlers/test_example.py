"""The handler that the README begins with: as short as it is shown, and working as it stands."""

from pathlib import Path

import pytest

from vodworker import Done, Reject
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload
from vodworker.router import Router
from vodworker.testing import Recorder, context

README = Path(__file__).resolve().parents[2] / "README.md"
EXAMPLE = '''"""Transcode every new upload."""

from vodworker import Context, Done, Outcome, Reject, on
from vodworker.api import ProcessFile, Transcode
from vodworker.events import NewFileUpload


@on(NewFileUpload)
async def process_upload(event: NewFileUpload, ctx: Context) -> Outcome:
    if not event.file_id:
        return Reject("an upload without a file id")
    task = await ctx.vod.call(ProcessFile(file_id=event.file_id, transcode=Transcode(definition=[210, 220])))
    ctx.log.info("upload.processing", task_id=task.vod_task_id)
    return Done()
'''


def test_readme_shows_it() -> None:
    """The README has exactly this handler."""
    assert f"```python\n{EXAMPLE}```\n" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "event,outcome,calls",
    [
        (NewFileUpload(), Reject("an upload without a file id"), []),
        (NewFileUpload(file_id="f1"), Done(), [ProcessFile(file_id="f1", transcode=Transcode(definition=[210, 220]))]),
    ],
)
async def test_it_works(tmp_path: Path, event: NewFileUpload, outcome: object, calls: list[ProcessFile]) -> None:
    """Put into a directory, it is loaded, runs, and starts the task that it shows."""
    (tmp_path / "process_upload.py").write_text(EXAMPLE, encoding="utf-8")
    vod = Recorder()

    (route,) = Router.load([tmp_path]).routes.values()

    assert ("process_upload", (NewFileUpload,)) == (route.name, route.hears)
    assert outcome == await route.run(event, context(vod))
    assert calls == vod.calls
