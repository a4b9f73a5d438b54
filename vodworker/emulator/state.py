"""What the account holds: files, uploads, tasks. Frozen records in a few dicts, saved and loaded whole as JSON."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import orjson
from pydantic import TypeAdapter, ValidationError

from vodworker.errors import ConfigError
from vodworker.media import PROCESSING

Json: TypeAlias = dict[str, Any]  # what goes out as it is: inputs, outputs and data of tasks


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in the store: its length in bytes and their MD5 in hex."""

    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Footage:
    """What is in a video. bitrate: of the picture, in bps."""

    duration: float
    width: int
    height: int
    fps: float
    bitrate: int
    codec: str = "h264"


@dataclass(frozen=True, slots=True)
class Made:
    """Something derived from a file: by which kind of task, from which template, and what came out."""

    type: str
    definition: int
    output: Json


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in a video, in ms from its beginning."""

    at: int
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A file of the library. folder: its path in the store, without the last part; times are Unix seconds.

    stream: the live stream that it is a recording of, "" when it is none.
    """

    id: str
    name: str
    container: str
    folder: str
    url: str
    size: int
    md5: str
    footage: Footage
    created: float
    updated: float
    expires: float | None = None
    cover: str = ""
    description: str = ""
    class_id: int = 0
    tags: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    stream: str = ""
    drm: Json | None = None
    made: tuple[Made, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that was applied for. `committed` once it has become the file `file_id`."""

    key: str
    file_id: str
    name: str
    container: str
    video_path: str
    video_signature: str
    cover_path: str = ""
    cover_signature: str = ""
    procedure: str = ""
    applied: float
    committed: bool = False


WAITING = "WAITING"  # of tasks, before what `media` knows


@dataclass(frozen=True, slots=True)
class Step:
    """One sub-task: a thing to be made. `input` and `output` are as the event tells them."""

    type: str
    input: Json
    status: str = PROCESSING
    code: int = 0
    message: str = ""
    output: Json | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task. `number` counts tasks; `run` counts how often it was started; `file_id` is "" when it is of several.

    detail: what its kind needs to know beside the steps. Times are Unix seconds, 0 for what has not happened yet.
    """

    id: str
    number: int
    kind: str
    steps: tuple[Step, ...]
    created: float
    file_id: str = ""
    notify: str = "Finish"
    status: str = WAITING
    begun: float = 0.0
    finished: float = 0.0
    run: int = 1
    detail: Json = field(default_factory=Json)


@dataclass(frozen=True, slots=True)
class Category:
    """A class of files. parent: the class that it is under, -1 at the top; times are Unix seconds."""

    id: int
    name: str
    parent: int = -1
    created: float = 0.0
    updated: float = 0.0


OTHERS = Category(0, "其他")  # the class of what has none


@dataclass(frozen=True, slots=True)
class Template:
    """A template of the account's own: what was asked for, by the wire's names. Times are Unix seconds."""

    definition: int
    asked: Json
    created: float
    updated: float


@dataclass(slots=True)
class State:
    """The account. `count` numbers what is made here, and is never used twice.

    pictures: the paths that were promised to pictures of watermarks, each with its signature.
    keys: data keys in the clear, by what they are when encrypted.
    transcoded: what was transcoded, count and seconds by `day/codec/format`: files go, statistics stay.
    """

    count: int = 0
    files: dict[str, Video] = field(default_factory=dict[str, Video])
    uploads: dict[str, Upload] = field(default_factory=dict[str, Upload])
    tasks: dict[str, Task] = field(default_factory=dict[str, Task])
    objects: dict[str, Stored] = field(default_factory=dict[str, Stored])
    classes: dict[int, Category] = field(default_factory=lambda: {OTHERS.id: OTHERS})
    transcode_templates: dict[int, Template] = field(default_factory=dict[int, Template])
    watermark_templates: dict[int, Template] = field(default_factory=dict[int, Template])
    pictures: dict[str, str] = field(default_factory=dict[str, str])
    keys: dict[str, str] = field(default_factory=dict[str, str])
    transcoded: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    def __repr__(self) -> str:
        return f"<State {len(self.files)} files, {len(self.uploads)} uploads, {len(self.tasks)} tasks>"

    def next(self) -> int:
        """A number that was not given before."""
        self.count += 1
        return self.count


VERSION = 2


@dataclass(frozen=True, slots=True)
class Saved:
    """A state on disk: with the time on the emulator's clock, the last handle, and the events nobody has confirmed.

    origin: where the emulator was then; the addresses of files begin with it. "" when it does not matter.
    """

    version: int
    now: float
    handle: int
    events: tuple[str, ...]
    state: State
    origin: str = ""


_SAVED = TypeAdapter(Saved)


def save(saved: Saved, file: Path) -> None:
    """Write it to `file`, whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(orjson.dumps(saved, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_INDENT_2))
    fresh.replace(file)


def load(file: Path, *, origin: str) -> Saved | None:
    """Read what `save` wrote; None when there is no such file. ConfigError when it is something else.

    origin: where the emulator is now: its files have moved with it.
    """
    try:
        body = file.read_bytes()
        saved = _SAVED.validate_json(body)
        if saved.origin not in {"", origin}:
            saved = _SAVED.validate_json(body.replace(saved.origin.encode(), origin.encode()))
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError([f"{file} cannot be read as a state of the emulator ({why}); move it away"]) from error
    if saved.version != VERSION:
        raise ConfigError([f"{file} is a state of version {saved.version}, not {VERSION}; move it away"])
    return saved
