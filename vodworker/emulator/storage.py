"""The object store beside the service: it takes the bytes of uploads, and hands them out to players."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from vodworker.emulator.state import State, Stored


class Storage:
    """Objects in a folder of this machine; what is known of each is in `state.objects`, by its path in the store."""

    def __init__(self, folder: Path, state: State) -> None:
        self.folder = folder
        self._objects = state.objects

    def __repr__(self) -> str:
        return f"<Storage {self.folder}, {len(self._objects)} objects>"

    def __getitem__(self, path: str) -> Stored:
        return self._objects[path]

    def __contains__(self, path: str) -> bool:
        return path in self._objects

    def file(self, path: str) -> Path:
        """Where the bytes of an object are."""
        return self.folder / hashlib.sha256(path.encode()).hexdigest()

    async def put(self, path: str, chunks: AsyncIterator[bytes]) -> Stored:
        """Take an object in; it is there when its last byte is, and what was there before is gone then."""
        md5, size = hashlib.md5(usedforsecurity=False), 0
        with NamedTemporaryFile(dir=self.folder) as fresh:
            async for chunk in chunks:
                md5.update(chunk)
                size += len(chunk)
                await asyncio.to_thread(fresh.write, chunk)
            fresh.flush()
            await asyncio.to_thread(_keep, Path(fresh.name), self.file(path))
        stored = self._objects[path] = Stored(size, md5.hexdigest())
        return stored

    def drop(self, folder: str) -> None:
        """Forget every object under a folder of the store."""
        for path in [path for path in self._objects if path.startswith(f"{folder}/")]:
            del self._objects[path]
            self.file(path).unlink(missing_ok=True)


def _keep(fresh: Path, place: Path) -> None:
    place.unlink(missing_ok=True)
    place.hardlink_to(fresh)  # the file's first name goes with its `with`
