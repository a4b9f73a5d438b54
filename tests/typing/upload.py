"""Only type-checked: what an upload takes and gives."""

from pathlib import Path
from typing import assert_type

from vodworker.cloud.client import Vod
from vodworker.cloud.upload import Uploaded


async def upload_is_typed(vod: Vod) -> None:
    """A path as text or as Path, and a cover; a file id and addresses come back."""
    told: list[float] = []
    done = await vod.upload("a.mp4", cover=Path("front.jpg"), progress=lambda sent, total: told.append(sent / total))
    assert_type(done, Uploaded)
    assert_type(done.file_id, str)
    assert_type(done.cover_url, str | None)


async def upload_is_checked(vod: Vod) -> None:
    """What is misspelled or of another type does not pass."""
    await vod.upload("a.mp4", procedures="x")  # type: ignore[call-arg]
    await vod.upload(b"a.mp4")  # type: ignore[arg-type]
    await vod.upload("a.mp4", progress=len)  # type: ignore[arg-type]
