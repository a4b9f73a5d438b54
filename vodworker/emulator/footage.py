"""What is in a video: made up, but always the same for the same bytes. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

from vodworker.emulator.state import Footage, Json, Video

FPS = 25.0
SMALLEST = 16  # px: `00x00` in a name is no picture
AUDIO = 48_000  # bps, of the presets' AAC


def footage(md5: str, *, name: str) -> Footage:
    """What the bytes with this MD5 show: 5 s to 10 min. A name with `640x360` in it says how large the picture is."""
    size = re.search(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)", name)
    width, height = (max(SMALLEST, int(size[1])), max(SMALLEST, int(size[2]))) if size else (1280, 720)
    return Footage(5 + int(digest(md5)[:8], 16) % 5950 / 10, width, height, FPS, width * height * int(FPS) // 20)


def joined(parts: Sequence[Footage]) -> Footage:
    """What several videos of one size show one after the other."""
    return replace(parts[0], duration=round(sum(part.duration for part in parts), 3))


def piece(whole: Footage, start: float, end: float | None) -> Footage | None:
    """A piece of a video, cut by times that count from its end when they are below 0; None when nothing is left.

    end: None is the end of the video, as is any time behind it.
    """
    first = max(0.0, start + whole.duration if start < 0 else start)
    last = whole.duration if end is None else min(whole.duration, end + whole.duration if end < 0 else end)
    return replace(whole, duration=round(last - first, 3)) if first < last else None


def digest(*words: object) -> str:
    """An MD5 for something whose bytes do not exist: of what it was made from."""
    return hashlib.md5("/".join(map(str, words)).encode(), usedforsecurity=False).hexdigest()


def streams(footage: Footage) -> Json:
    """A video's measures as metaData and transcoding outputs tell them."""
    return {
        "bitrate": footage.bitrate + AUDIO,
        "height": footage.height,
        "width": footage.width,
        "duration": int(footage.duration),
        "floatDuration": footage.duration,
        "videoStreamList": [
            {
                "bitrate": footage.bitrate,
                "height": footage.height,
                "width": footage.width,
                "codec": footage.codec,
                "fps": footage.fps if footage.fps % 1 else int(footage.fps),
            }
        ],
        "audioStreamList": [{"codec": "aac", "samplingRate": 44100, "bitrate": AUDIO}],
    }


def metadata(video: Video) -> Json:
    """The metaData of a file."""
    return {"size": video.size, "container": video.container, "md5": video.md5, **streams(video.footage)}


# --- sources that are bad on purpose

MISHAPS = re.compile(r"(fail|flaky)-(\d{1,6})")
PROCESSING_CODES = range(43000, 50000)  # the grid of processing errors; the service writes these with a minus
SHOTS = {"SampleSnapshot", "SnapshotByTimeOffset", "CoverBySnapshot", "ImageSprites"}
CODINGS = {"Transcode", "AnimatedGraphics"}
STAGES = {"44": SHOTS, "45": CODINGS, "49": CODINGS}


def mishap(name: str, *, step: str, run: int) -> int:
    """The error code with which a sub-task of a file ends, 0 when it ends well.

    The file's name asks for it: `fail-45089` in it fails with -45089, `flaky-30010` with 30010 at the first run of the
    task only. Codes of screenshots (44…) and of transcoding (45…, 49…) befall only such sub-tasks, all others any.
    """
    found = MISHAPS.search(name)
    if not found or (found[1] == "flaky" and run > 1) or step not in STAGES.get(found[2][:2], {step}):
        return 0
    code = int(found[2])
    return -code if code in PROCESSING_CODES else code
