"""Objects that arrive in pieces: kept in files without a name until the last piece is there."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: where it lies in the file, and its MD5 in hex."""

    at: int
    size: int
    md5: str


class Unfinished:
    """An object of which pieces are here, each under a key of its sender; one that comes again replaces itself."""

    def __init__(self, path: str, folder: Path) -> None:
        self.path = path
        self.pieces: dict[int, Piece] = {}
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115  # lives until `close`, over several requests
        self._end = 0
        self._users = 1

    def __repr__(self) -> str:
        return f"<Unfinished {self.path}, {len(self.pieces)} pieces>"

    async def put(self, key: int, size: int, chunks: AsyncIterator[bytes]) -> Piece:
        """Take a piece in that is this long at most."""
        start, self._end = self._end, self._end + size
        md5, at = hashlib.md5(usedforsecurity=False), start
        self._users += 1
        try:
            async for chunk in chunks:
                md5.update(chunk)
                at += await asyncio.to_thread(os.pwrite, self._file.fileno(), chunk, at)
        finally:
            self.close()
        piece = self.pieces[key] = Piece(start, at - start, md5.hexdigest())
        return piece

    async def read(self, keys: Iterable[int]) -> AsyncIterator[bytes]:
        """The bytes of these pieces, one after the other."""
        for key in keys:
            piece = self.pieces[key]
            for at in range(piece.at, piece.at + piece.size, CHUNK):
                length = min(CHUNK, piece.at + piece.size - at)
                yield await asyncio.to_thread(os.pread, self._file.fileno(), length, at)

    def close(self) -> None:
        """Forget the bytes, as soon as no piece is coming in any more."""
        self._users -= 1
        if not self._users:
            self._file.close()
