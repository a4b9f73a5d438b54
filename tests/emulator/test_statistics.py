"""Statistics over the wire: days, domains, and numbers that agree with each other."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from tests.emulator.conftest import Caller, account
from tests.emulator.world import NOON, set_clock
from vodworker.emulator import Settings
from vodworker.emulator.calendar import DAY, begin, day_of

HOST = "play.example.com"
KINDS = ("flux", "bandwidth", "requests", "hitrate", "ip_visits")
SIZE = 1_000_000


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    """A client of an account with two files that are some days old; it is noon in Beijing."""
    async with account(Settings(seed=1)) as caller:
        set_clock(caller)
        for name in ("a.mp4", "b.mp4"):
            await caller.upload(name, bytes(SIZE))
        set_clock(caller, NOON + 5 * DAY)
        yield caller


def day(call: Caller, ago: int) -> date:
    """A day of Beijing's, so many before today."""
    return day_of(call.emulator.clock.now()) - timedelta(days=ago)


def span(call: Caller, first: int, last: int) -> dict[str, str]:
    """Some days as parameters, counted back from today."""
    return {"startDate": str(day(call, first)), "endDate": str(day(call, last))}


async def detail(call: Caller, first: int, last: int, kind: str, **own: object) -> dict[str, Any]:
    """What a domain delivered over time."""
    reply = await call.good("DescribeCdnDetailStat", **span(call, first, last), statType=kind, hosts=[HOST], **own)
    return dict(reply["data"])


def values(samples: list[dict[str, int]]) -> list[int]:
    """The values of samples."""
    return [sample["value"] for sample in samples]


@pytest.mark.parametrize("kind", KINDS)
async def test_totals_agree_with_details(call: Caller, kind: str) -> None:
    """The total of some days is what their details add up to: the sum, of bandwidth the peak, of hits the mean."""
    [total] = (await call.good("DescribeCdnStat", **span(call, 3, 1), statType=kind, hosts=[HOST]))["data"]
    [told] = (await detail(call, 3, 1, kind))["hostData"]
    home = values(told["domesticData"])

    assert home[0] > 0
    if kind == "hitrate":
        assert min(home) < total["domesticValue"] < max(home)
    else:
        assert total["domesticValue"] == (max(home) if kind == "bandwidth" else sum(home))
    assert (kind != "ip_visits") == ("overseaValue" in total) == ("overseaData" in told)


async def test_domains_deliver_as_they_are_set_up(call: Caller) -> None:
    """Without names all domains are told; only one that delivers abroad has numbers from there."""
    hosts = (await call.good("DescribeVodHosts"))["data"]["hostList"]
    totals = (await call.good("DescribeCdnStat", **span(call, 2, 1), statType="flux"))["data"]

    assert [host["host"] for host in hosts] == [total["host"] for total in totals]
    assert [bool(host["oversea"]) for host in hosts] == ["overseaValue" in total for total in totals]
    assert [False, True] == ["cname" in host for host in hosts]


@pytest.mark.parametrize("interval, count", [(None, 288), (5, 288), (30, 48), (60, 24), (120, 12)])
async def test_day_is_told_at_the_distance_asked_for(call: Caller, interval: int | None, count: int) -> None:
    """A single day is told every 5 minutes, or as asked; all distances add up to the same."""
    own = {"interval": interval} if interval else {}
    data = await detail(call, 1, 1, "flux", **own)
    samples = data["hostData"][0]["domesticData"]
    times = [sample["timeStamp"] for sample in samples]
    whole = (await detail(call, 1, 1, "flux"))["hostData"][0]["domesticData"]

    assert (interval or 5, count) == (data["interval"], len(samples))
    assert [*range(begin(day(call, 1)), begin(day(call, 0)), (interval or 5) * 60)] == times
    assert sum(values(whole)) == sum(values(samples))


async def test_several_days_are_told_day_by_day(call: Caller) -> None:
    """Over several days the distance is a day, whatever is asked for; today is told as far as it has come."""
    data = await detail(call, 2, 0, "requests", interval=30)
    today = (await detail(call, 0, 0, "requests"))["hostData"][0]["domesticData"]
    samples = data["hostData"][0]["domesticData"]

    assert (1440, 3) == (data["interval"], len(samples))
    assert samples[-1]["value"] == sum(values(today))
    assert 12 * 12 + 1 == len(today)  # pieces of 5 minutes that have begun by noon


async def test_regions_and_providers_share_what_is_delivered(call: Caller) -> None:
    """All regions and providers have less together than the domain delivered, and nearly as much."""
    own = {"date": str(day(call, 1)), "statType": "flux", "hosts": [HOST]}
    [told] = (await call.good("DescribeCdnRegionIspDetailStat", **own))["data"]["hostData"]
    parts = sum(sum(values(part["statData"])) for part in told["regionIspData"])
    whole = sum(values((await detail(call, 1, 1, "flux"))["hostData"][0]["domesticData"]))
    one = await call.good("DescribeCdnRegionIspDetailStat", **own, regionNames=["Beijing"], ispNames=["China Mobile"])
    none = await call.good("DescribeCdnRegionIspDetailStat", **own, regionNames=["Tibet"])

    assert whole * 0.99 < parts <= whole
    assert [("北京", "中国移动")] == [
        (part["regionZhName"], part["ispZhName"]) for part in one["data"]["hostData"][0]["regionIspData"]
    ]
    assert [] == none["data"]["hostData"][0]["regionIspData"]


async def test_logs_are_of_hours_with_calls(call: Caller) -> None:
    """There is a log for each hour in which something was called, at home and abroad, until now."""
    end = int(call.emulator.clock.now())
    [told] = (await call.good("GetCdnLogList", startTime=end - 3 * 3600, endTime=end, hosts=[HOST]))["data"]
    names = [log["name"] for log in told["domesticLogList"]]

    assert 0 < len(names) <= 4
    assert all(name.startswith(f"{day(call, 0):%Y%m%d}") and name.endswith(f"-{HOST}") for name in names)
    assert "overseaLogList" in told
    assert told["domesticLogList"][0]["link"].endswith(f"{names[0]}.gz")


async def test_new_account_delivers_nothing() -> None:
    """Without files there are no plays, no logs, no bytes, and nobody in any region."""
    async with account(Settings(seed=1)) as call:
        days = span(call, 1, 0)
        now = int(call.emulator.clock.now())
        totals = (await call.good("DescribeCdnStat", **days, statType="flux"))["data"]
        logs = (await call.good("GetCdnLogList", startTime=now - DAY, endTime=now))["data"]
        top = await call.good("DescribePlayStatTopFiles", date=str(day(call, 3)))
        regions = await call.good("DescribeCdnRegionIspDetailStat", date=days["startDate"], statType="flux")
        stored = await call.good("DescribeStorage", **days)
        coded = await call.good("DescribeTranscodeStat", **days)

    assert [0, 0] == [total["domesticValue"] for total in totals]
    assert [[], []] == [log["domesticLogList"] for log in logs]
    assert [] == top["data"]
    assert [[], []] == [host["regionIspData"] for host in regions["data"]["hostData"]]
    assert [0, 0] == values(stored["data"]["storage"])
    assert [[], []] == [one["transcodeData"] for one in coded["data"]]


async def test_most_played_files_come_first(call: Caller) -> None:
    """The files of a day are told by how often they were played, over all domains or one; bytes go with plays."""
    every = (await call.good("DescribePlayStatTopFiles", date=str(day(call, 2))))["data"]
    over = (await call.good("DescribePlayStatTopFiles", date=str(day(call, 2)), host=HOST))["data"]
    times = [one["playTimes"] for one in every]

    assert sorted(times, reverse=True) == times
    assert [one["playTimes"] * SIZE for one in every] == [one["playFlux"] for one in every]
    assert sum(one["playTimes"] for one in over) < sum(times)
    assert set(call.emulator.state.files) == {one["fileId"] for one in every}


async def test_yesterday_is_counted_at_eleven(call: Caller) -> None:
    """What was played yesterday can be asked for from 11:00, and its file is listed then."""
    noon = [await call("DescribePlayStatTopFiles", date=str(day(call, ago))) for ago in (0, 1, 2)]
    call.emulator.clock.advance(22 * 3600)  # to ten in the morning
    morning = [await call("DescribePlayStatTopFiles", date=str(day(call, ago))) for ago in (0, 1, 2)]
    own = {"from": str(day(call, 3)), "to": str(day(call, 0))}
    early = (await call.good("GetPlayStatLogList", **own))["fileList"]
    call.emulator.clock.advance(3600)
    late = (await call.good("GetPlayStatLogList", **own))["fileList"]

    assert [[1000, 0, 0], [1000, 1000, 0]] == [[reply["code"] for reply in replies] for replies in (noon, morning)]
    assert [str(day(call, ago)) for ago in (3, 2)] == [one["date"] for one in early]
    assert [str(day(call, ago)) for ago in (3, 2, 1)] == [one["date"] for one in late]


async def test_storage_grows_with_files_and_what_is_made_of_them(call: Caller) -> None:
    """What is stored is told day by day, from the day that a file came; what is made of files takes room too."""
    [file_id, _] = call.emulator.state.files
    before = values((await call.good("DescribeStorage", **span(call, 6, 0)))["data"]["storage"])
    await call.good("ConvertVodFile", fileId=file_id)
    call.emulator.clock.advance(60)
    after = values((await call.good("DescribeStorage", **span(call, 0, 0)))["data"]["storage"])
    every = (await call.good("DescribeStorage", **span(call, 0, 0), needDetail=1))["data"]["storage"]

    assert [0, *([2 * SIZE] * 6)] == before
    assert after[0] > 2 * SIZE
    assert (12 * 12 + 1, after[0]) == (len(every), every[-1]["value"])


async def test_transcodings_are_counted_by_day_codec_and_size(call: Caller) -> None:
    """What was transcoded is counted on its day, by codec and size, and stays counted when the file goes."""
    file_id = await call.upload("film-1920x1080.mp4", b"x")
    duration = call.emulator.state.files[file_id].footage.duration
    await call.good("ProcessFile", fileId=file_id, transcode={"definition": [20, 220, 30, 40, 70, 80, 510]})
    call.emulator.clock.advance(60)
    await call.good("DeleteVodFile", fileId=file_id)
    yesterday, today = (await call.good("DescribeTranscodeStat", **span(call, 1, 0)))["data"]
    counts = {one["codec"]: {each["fmt"]: each["count"] for each in one["list"]} for one in today["transcodeData"]}

    assert [] == yesterday["transcodeData"]
    assert {"H.264": {"SD": 2, "HD": 1, "FHD": 1, "2K": 1, "4K": 1}, "H.265": {"SD": 1}} == counts
    assert int(2 * duration) == today["transcodeData"][0]["list"][0]["duration"]


@pytest.mark.parametrize(
    "action, own, first, code",
    [
        ("DescribeCdnStat", {"statType": "flux"}, 90, 17013),
        ("DescribeCdnDetailStat", {"statType": "flux"}, 90, 17015),
        ("DescribeStorage", {}, 90, 17013),
        ("DescribeTranscodeStat", {}, 90, 17015),
    ],
)
async def test_days_have_their_bounds(call: Caller, action: str, own: dict[str, str], first: int, code: int) -> None:
    """The service looks back so many days and not one more, not ahead, and not backward."""
    spans = [span(call, first, first), span(call, first + 1, first), span(call, -1, -1), span(call, 1, 2)]
    ahead = span(call, 0, -1)

    assert [0, code, code, code] == [(await call(action, **each, **own))["code"] for each in spans]
    assert (await call(action, **ahead, **own))["code"] in {1000, 17015}


async def test_hours_have_their_bounds(call: Caller) -> None:
    """Logs are kept for 30 days; a time of any size is refused, not stumbled over."""
    now = int(call.emulator.clock.now())
    spans = [(now - 30 * DAY, now), (now - 31 * DAY, now), (now + DAY, now + DAY), (now, now - 1), (2**62, 2**62)]

    assert [0, 17013, 17013, 17013, 17013] == [
        (await call("GetCdnLogList", startTime=start, endTime=end))["code"] for start, end in spans
    ]
