"""What is in a video, and what templates make of it: made up, but always the same for the same bytes. Pure."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vodworker.emulator.state import Footage, Json, Video

FPS = 25
AUDIO = 48_000  # bps, of the presets' AAC


def footage(md5: str, *, name: str) -> Footage:
    """What the bytes with this MD5 show: 5 s to 10 min. A name with `640x360` in it says how large the picture is."""
    size = re.search(r"(?<!\d)(\d{2,4})x(\d{2,4})(?!\d)", name)
    width, height = (int(size[1]), int(size[2])) if size else (1280, 720)
    return Footage(5 + int(md5[:8], 16) % 5950 / 10, width, height, FPS, width * height * FPS // 20)


def joined(parts: Sequence[Footage]) -> Footage:
    """What several videos of one size show one after the other."""
    return replace(parts[0], duration=round(sum(part.duration for part in parts), 3))


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
                "codec": "h264",
                "fps": footage.fps,
            }
        ],
        "audioStreamList": [{"codec": "aac", "samplingRate": 44100, "bitrate": AUDIO}],
    }


def metadata(video: Video) -> Json:
    """The metaData of a file."""
    return {"size": video.size, "container": video.container, "md5": video.md5, **streams(video.footage)}


@dataclass(frozen=True, slots=True)
class Preset:
    """A transcoding template: the picture is scaled to `side` (its width, or its height if `upright`), 0 keeps it."""

    container: str
    side: int = 0
    upright: bool = False
    bitrate: int = 0
    fps: int = 0


def _presets() -> dict[int, Preset]:
    """The service's own templates: three containers for each size, in H.264 and in H.265."""
    h264 = {
        (10, 210, 10046): (320, False, 256, 24),
        (20, 220, 10047): (640, False, 512, 24),
        (30, 230, 10048): (1280, False, 1024, 24),
        (40, 240, 10049): (1920, False, 2500, 24),
        (70, 270, 370): (1440, True, 3072, 30),
        (80, 280, 380): (2160, True, 6144, 30),
    }
    h265 = {
        (510, 610, 710): (240, True, 250, 15),
        (520, 620, 720): (480, True, 600, 24),
        (530, 630, 730): (720, True, 800, 25),
        (540, 640, 740): (1080, True, 1400, 30),
        (570, 670, 770): (1440, True, 2048, 30),
        (580, 680, 780): (2160, True, 4096, 30),
    }
    sizes = {
        number: Preset(container, side, upright, kbps * 1000, fps)
        for numbers, (side, upright, kbps, fps) in (h264 | h265).items()
        for number, container in zip(numbers, ("mp4", "hls", "flv"), strict=True)
    }
    return sizes | {9: Preset("mp4"), 6: Preset("hls"), MASTER: Preset("hls")}


MASTER = 10_000  # the definition of a master playlist over all HLS outputs
PRESETS = _presets()
OTHER = Preset("mp4")  # what a template of the user's own makes, as long as nothing else is known of it
ENDINGS = {"hls": "m3u8"}


def transcoded(video: Video, definition: int) -> Json:
    """The output of transcoding a file with a template."""
    preset = PRESETS.get(definition, OTHER)
    picture = scaled(video.footage, preset)
    size = int(picture.duration * (picture.bitrate + AUDIO) / 8)
    return {
        "url": f"{video.folder}/f{definition}.{ENDINGS.get(preset.container, preset.container)}",
        "size": size,
        "container": preset.container,
        "md5": digest(video.md5, definition),
        **streams(picture),
    }


def scaled(footage: Footage, preset: Preset) -> Footage:
    """The picture that a template makes; sides are even, as encoders want them."""
    width, height = footage.width, footage.height
    if preset.side:
        scale = preset.side / (height if preset.upright else width)
        width, height = int(width * scale / 2) * 2, int(height * scale / 2) * 2
    return Footage(footage.duration, width, height, preset.fps or footage.fps, preset.bitrate or footage.bitrate)


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
