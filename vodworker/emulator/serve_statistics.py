"""Serves what was played, stored and transcoded, counted by days."""

from collections.abc import Iterator
from datetime import date, timedelta

from vodworker.api.statistics import (
    DescribePlayStatTopFiles,
    DescribeStorage,
    DescribeTranscodeStat,
    GetPlayStatLogList,
    PlayedFile,
    PlayStatFile,
    PlayStatFiles,
    Sample,
    Storage,
    StorageSamples,
    TopFiles,
    TranscodeByCodec,
    TranscodeCount,
    TranscodeDay,
    TranscodeStat,
)
from vodworker.emulator.calendar import DAY, begin, day_of, days
from vodworker.emulator.lookback import looking_back
from vodworker.emulator.refusal import ILLEGAL, Refusal
from vodworker.emulator.serve_cdn import chosen
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.state import Video
from vodworker.emulator.traffic import SLOT, played

COUNTED = 11 * 3600  # seconds after midnight at which what was played the day before has been counted
TOP = 100


def _counted(service: Service) -> date:
    """The last day of which it is known what was played."""
    return day_of(service.clock.now() - COUNTED) - timedelta(days=1)


async def get_play_stat_log_list(service: Service, call: GetPlayStatLogList) -> PlayStatFiles:
    """A file for each day that has been counted."""
    return PlayStatFiles(
        file_list=tuple(
            PlayStatFile(date=str(day), url=f"{service.origin}/playstat/{day:%Y%m%d}.csv.gz")
            for day in days(call.from_, min(call.to, _counted(service)))
        )
    )


async def describe_play_stat_top_files(service: Service, call: DescribePlayStatTopFiles) -> TopFiles:
    """The files that were played, the most played first."""
    if call.date > _counted(service):
        raise Refusal(ILLEGAL, f"what was played on {call.date} has not been counted yet")
    over = chosen(service, [call.host] if call.host else None)
    times = {
        video.id: sum(played(video, host, call.date, service.clock.now()) for host in over)
        for video in service.state.files.values()
    }
    best = sorted((file_id for file_id in times if times[file_id]), key=lambda file_id: -times[file_id])[:TOP]
    return TopFiles(data=tuple(_played(service.state.files[file_id], times[file_id]) for file_id in best))


def _played(video: Video, times: int) -> PlayedFile:
    return PlayedFile(
        file_id=video.id,
        name=video.name,
        duration=video.footage.duration,
        size=video.size,
        play_times=times,
        play_flux=times * video.size,
    )


async def describe_storage(service: Service, call: DescribeStorage) -> Storage:
    """What the files that are there take up, day by day, or on one day every 5 minutes; what has gone has left."""
    now = service.clock.now()
    if call.need_detail and call.start_date == call.end_date:
        first = begin(call.start_date)
        moments = [(moment, moment) for moment in range(first, first + DAY, SLOT) if moment <= now]
    else:
        asked = days(call.start_date, call.end_date)
        moments = [(begin(day), begin(day) + DAY - SLOT) for day in asked]  # a day's is that of its last 5 minutes
    return Storage(
        data=StorageSamples(
            storage=tuple(Sample(time_stamp=stamp, value=_stored(service, moment)) for stamp, moment in moments)
        )
    )


def _stored(service: Service, moment: float) -> int:
    videos = [video for video in service.state.files.values() if video.created <= moment]
    return sum(video.size + sum(made.output.get("size", 0) for made in video.made) for video in videos)


async def describe_transcode_stat(service: Service, call: DescribeTranscodeStat) -> TranscodeStat:
    """How much was transcoded on each day; a day without any has an empty list."""
    return TranscodeStat(
        data=tuple(
            TranscodeDay(date=str(day), transcode_data=tuple(_by_codec(service, day)))
            for day in days(call.start_date, call.end_date)
        )
    )


def _by_codec(service: Service, day: date) -> Iterator[TranscodeByCodec]:
    names = [name.split("/") for name in service.state.transcoded]
    for codec in sorted({codec for when, codec, _ in names if when == str(day)}):
        yield TranscodeByCodec(
            codec=codec,
            list=tuple(
                TranscodeCount(fmt=size, count=count, duration=int(duration))
                for name, (count, duration) in service.state.transcoded.items()
                for when, made, size in [name.split("/")]
                if (when, made) == (str(day), codec)
            ),
        )


SERVES: Serves = {
    GetPlayStatLogList: looking_back(get_play_stat_log_list),
    DescribeStorage: looking_back(describe_storage),
    DescribePlayStatTopFiles: looking_back(describe_play_stat_top_files),
    DescribeTranscodeStat: looking_back(describe_transcode_stat),
}
