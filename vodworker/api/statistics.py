"""What was played, stored and transcoded, as the service counts it. Days are Beijing's."""

from typing import Annotated

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Code, Day, Within
from vodworker.media import Detail


class Sample(Detail):
    """A value at a time."""

    time_stamp: int | None = None  # Unix s
    value: int | None = None


class PlayStatFile(Detail):
    """The counts of a day, as CSV in gzip; the address lives for 24 h."""

    date: str | None = None
    url: str | None = None


class PlayStatFiles(Reply):
    """One file for each day."""

    file_list: tuple[PlayStatFile, ...] = ()


class GetPlayStatLogList(Action[PlayStatFiles], safe=True, errors=(1000, 1001)):
    """Where each day's counts of what was played can be fetched; yesterday's from about 11:00."""

    from_: Annotated[Day, Within(30)]
    """The first day."""
    to: Annotated[Day, Within(30)]
    """The last day."""


class StorageSamples(Detail):
    """Bytes that were stored."""

    storage: tuple[Sample, ...] = ()


class Storage(Reply):
    """Bytes that were stored."""

    data: StorageSamples | None = None


class DescribeStorage(Action[Storage], safe=True, errors=(1000, 17013), aka=("DescribeVodStorage",)):
    """How much was stored, at 23:55 of each day. The manual's example has another name."""

    start_date: Annotated[Day, Within(90), Code(17013)]
    """The first day."""
    end_date: Annotated[Day, Within(90)]
    """The last day."""
    need_detail: bool = False
    """A value for every 5 minutes; counts only when both days are the same."""


class PlayedFile(Detail):
    """A file and how much it was played."""

    file_id: str | None = None
    name: str | None = None
    duration: float | None = None  # s
    size: int | None = None  # bytes
    play_times: int | None = None
    play_flux: int | None = None  # bytes


class TopFiles(Reply):
    """At most 100, the most played first."""

    data: tuple[PlayedFile, ...] = ()


class DescribePlayStatTopFiles(Action[TopFiles], safe=True, errors=(1000,)):
    """The files that were played most on a day; yesterday's from 11:00."""

    date: Annotated[Day, Within(30)]
    """The day."""
    host: str | None = None
    """Only over this domain."""


class TranscodeCount(Detail):
    """What was made of one size."""

    fmt: str | None = None  # SD, HD, FHD, 2K, 4K
    count: int | None = None
    duration: int | None = None  # s


class TranscodeByCodec(Detail):
    """What was made with one codec."""

    codec: str | None = None  # H.264, H.265
    list: tuple[TranscodeCount, ...] = ()


class TranscodeDay(Detail):
    """What was made on one day."""

    date: str | None = None
    transcode_data: tuple[TranscodeByCodec, ...] = ()


class TranscodeStat(Reply):
    """What was made on each day."""

    data: tuple[TranscodeDay, ...] = ()


class DescribeTranscodeStat(Action[TranscodeStat], safe=True, errors=(1000, 17015)):
    """How much was transcoded, day by day."""

    start_date: Annotated[Day, Within(90), Code(17015)]
    """The first day."""
    end_date: Annotated[Day, Within(90)]
    """The last day."""
