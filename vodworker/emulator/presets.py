"""Transcoding templates, the service's own and the account's, and what they make of a video. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from vodworker.emulator.footage import AUDIO, digest, streams
from vodworker.emulator.state import Footage, Json, Template, Video


@dataclass(frozen=True, slots=True)
class Preset:
    """A transcoding template. 0 keeps what the source has; below 0 a number is a ceiling. bitrate: in kbit/s.

    A picture of which only one side is given keeps its proportions.
    """

    container: str
    width: int = 0
    height: int = 0
    bitrate: int = 0
    fps: float = 0
    codec: str = "h264"


def _presets() -> dict[int, Preset]:
    """The service's own templates: three containers for each size, in H.264 and in H.265."""
    h264 = {
        (10, 210, 10046): (320, 0, 256, 24),
        (20, 220, 10047): (640, 0, 512, 24),
        (30, 230, 10048): (1280, 0, 1024, 24),
        (40, 240, 10049): (1920, 0, 2500, 24),
        (70, 270, 370): (0, 1440, 3072, 30),
        (80, 280, 380): (0, 2160, 6144, 30),
    }
    h265 = {
        (510, 610, 710): (0, 240, 250, 15),
        (520, 620, 720): (0, 480, 600, 24),
        (530, 630, 730): (0, 720, 800, 25),
        (540, 640, 740): (0, 1080, 1400, 30),
        (570, 670, 770): (0, 1440, 2048, 30),
        (580, 680, 780): (0, 2160, 4096, 30),
    }
    sizes = {
        number: Preset(container, *measures, codec=codec)
        for table, codec in ((h264, "h264"), (h265, "hevc"))
        for numbers, measures in table.items()
        for number, container in zip(numbers, ("mp4", "hls", "flv"), strict=True)
    }
    return sizes | {9: Preset("mp4"), 6: Preset("hls"), MASTER: Preset("hls")}


MASTER = 10_000  # the definition of a master playlist over all HLS outputs
PRESETS = _presets()
OTHER = Preset("mp4")  # what a template makes of which nothing is known here
ENDINGS = {"hls": "m3u8"}
CODECS = {"h264": "libx264", "hevc": "libx265"}


def preset(definition: int, own: Mapping[int, Template]) -> Preset:
    """The template of this number: the account's, else the service's."""
    if template := own.get(definition):
        video = template.asked.get("video", {})
        return Preset(
            container=template.asked["container"],
            width=video.get("width", 0),
            height=video.get("height", 0),
            bitrate=video.get("bitrate", 0),
            fps=video.get("fps", 0),
            codec="hevc" if video.get("codec") == "libx265" else "h264",
        )
    return PRESETS.get(definition, OTHER)


def transcoded(video: Video, definition: int, own: Mapping[int, Template]) -> Json:
    """The output of transcoding a file with a template."""
    template = preset(definition, own)
    picture = scaled(video.footage, template)
    return {
        "url": f"{video.folder}/f{definition}.{ENDINGS.get(template.container, template.container)}",
        "size": int(picture.duration * (picture.bitrate + AUDIO) / 8),
        "container": template.container,
        "md5": digest(video.md5, definition),
        **streams(picture),
    }


def scaled(footage: Footage, template: Preset) -> Footage:
    """The picture that a template makes; sides in proportion are even, as encoders want them."""
    width, height = _goal(template.width, footage.width), _goal(template.height, footage.height)
    if template.width and not template.height:
        height = int(footage.height * width / footage.width / 2) * 2
    elif template.height and not template.width:
        width = int(footage.width * height / footage.height / 2) * 2
    bitrate = _goal(template.bitrate * 1000, footage.bitrate)
    fps = _goal(template.fps, footage.fps)
    return Footage(footage.duration, int(width), int(height), float(fps), int(bitrate), template.codec)


def _goal(asked: float, source: float) -> float:
    """What is asked for; below 0 the source's own when that is less."""
    return min(-asked, source) if asked < 0 else asked or source


def as_asked(template: Preset) -> Json:
    """A template of the service, as it would be asked for; one that only wraps anew encodes nothing."""
    if not template.bitrate:
        return {"container": template.container}
    return {
        "container": template.container,
        "video": {
            "codec": CODECS[template.codec],
            "fps": template.fps,
            "resolutionSelfAdapting": "open",
            "width": template.width,
            "height": template.height,
            "bitrate": template.bitrate,
            "colorSpace": "yuv420p",
        },
        "audio": {"codec": "libfdk_aac", "bitrate": AUDIO // 1000, "soundSystem": 2, "sampleRate": 44100},
    }
