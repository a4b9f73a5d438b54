"""What was delivered to viewers, as the service counts it, and the domains that deliver. Days are Beijing's."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, Field

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import AnyOf, Code, Day, Several, Text, Unit, UnixTime, Within
from vodworker.api.statistics import Sample
from vodworker.media import Detail

Hosts: TypeAlias = Annotated[Several[Text] | None, Field(max_length=20), Code(17010), Code(17011, on="too_long")]
RegionHosts: TypeAlias = Annotated[  # 2 by the table, 5 by the text of the code: the wider lets the service decide
    Several[Text] | None, Field(max_length=5), Code(17010), Code(17011, on="too_long")
]
StatType: TypeAlias = Annotated[  # bytes; bit/s; calls; 1/100 % (or 1 %: the pages differ); visitors, in China only
    Literal["flux", "bandwidth", "requests", "hitrate", "ip_visits"], Code(17012)
]


class HostTotal(Detail):
    """What one domain delivered."""

    host: str | None = None
    domestic_value: int | None = None
    oversea_value: int | None = None  # None: no delivery abroad


class CdnTotals(Reply):
    """What each domain delivered."""

    stat_type: str | None = None
    data: tuple[HostTotal, ...] = ()


class DescribeCdnStat(Action[CdnTotals], safe=True, errors=(1000, 17010, 17011, 17012, 17013)):
    """What domains delivered in some days: the sum of bytes or calls, the peak of bandwidth, the mean of hits."""

    hosts: Hosts = None
    """The domains, at most 20; None: all."""
    start_date: Annotated[Day, Within(90), Code(17013)]
    """The first day."""
    end_date: Annotated[Day, Within(90)]
    """The last day."""
    stat_type: StatType
    """What is counted."""


class RegionIspSamples(Detail):
    """What was delivered to one region through one provider; a value for every 5 minutes."""

    region_eng_name: str | None = None
    region_zh_name: str | None = None
    isp_eng_name: str | None = None
    isp_zh_name: str | None = None
    stat_data: tuple[Sample, ...] = ()


class HostByRegionIsp(Detail):
    """What one domain delivered."""

    host: str | None = None
    region_isp_data: tuple[RegionIspSamples, ...] = ()


class CdnByRegionIsp(Detail):
    """What each domain delivered."""

    stat_type: str | None = None
    host_data: tuple[HostByRegionIsp, ...] = ()


class CdnRegionIspDetail(Reply):
    """What each domain delivered, by region and provider; those without any are left out."""

    data: CdnByRegionIsp | None = None


class DescribeCdnRegionIspDetailStat(Action[CdnRegionIspDetail], safe=True, errors=(1000, 17010, 17011, 17012, 17015)):
    """What domains delivered in China on one day, by region and provider; 20 to 30 minutes late."""

    hosts: RegionHosts = None
    """The domains, at most 2 or 5 (the manual says both); None: all."""
    date: Annotated[Day, Within(60), Code(17015)]
    """The day."""
    stat_type: Annotated[Literal["flux", "bandwidth", "requests"], Code(17012)]
    """What is counted."""
    region_names: Several[Text] | None = None
    """English names, such as Guangdong; None: all."""
    isp_names: Several[Text] | None = None
    """English names, such as China Mobile; None: all."""


class HostSamples(Detail):
    """What one domain delivered."""

    host: str | None = None
    domestic_data: tuple[Sample, ...] = ()
    oversea_data: tuple[Sample, ...] = ()


class CdnSamples(Detail):
    """What each domain delivered."""

    interval: int | None = None  # minutes
    stat_type: str | None = None
    host_data: tuple[HostSamples, ...] = ()


class CdnDetail(Reply):
    """What each domain delivered, over time."""

    data: CdnSamples | None = None


class DescribeCdnDetailStat(Action[CdnDetail], safe=True, errors=(1000, 17010, 17011, 17012, 17015)):
    """What domains delivered, over time: day by day, or within one day."""

    hosts: Hosts = None
    """The domains, at most 20; None: all."""
    start_date: Annotated[Day, Within(90), Code(17015)]
    """The first day."""
    end_date: Annotated[Day, Within(90), Code(17015)]
    """The last day."""
    stat_type: StatType
    """What is counted."""
    interval: Annotated[int | None, AnyOf((5, 30, 60, 120)), Unit("minutes")] = None
    """The distance of the values; counts only when both days are the same."""


class VodHost(Detail):
    """A domain. Those that the service gave have neither cname nor certificate."""

    host: str | None = None
    cname: str | None = None
    oversea: bool | None = None
    status: int | None = None  # 1 in review, 2 refused, 3 and 4 being set up, 5 on, 6 off
    ssl: Annotated[bool | None, Field(validation_alias=AliasChoices("ssl", "sslType"))] = None
    ssl_deploy_time: int | None = None  # Unix s
    ssl_expire_time: Annotated[  # the manual's spelling goes out, the right one is read too
        int | None,
        Field(validation_alias=AliasChoices("sslExpireTtime", "sslExpireTime"), serialization_alias="sslExpireTtime"),
    ] = None


class HostList(Detail):
    """The domains."""

    count: int | None = None
    host_list: tuple[VodHost, ...] = ()


class VodHosts(Reply):
    """The domains."""

    data: HostList | None = None


class DescribeVodHosts(Action[VodHosts], safe=True, errors=(1000,)):
    """The account's domains for delivery."""


class LogFile(Detail):
    """An hour's log of one domain; the address lives for 24 h."""

    date: str | None = None
    name: str | None = None
    link: str | None = None


class HostLogs(Detail):
    """The logs of one domain."""

    host: str | None = None
    domestic_log_list: tuple[LogFile, ...] = ()
    oversea_log_list: tuple[LogFile, ...] = ()


class CdnLogs(Reply):
    """The logs of each domain."""

    data: tuple[HostLogs, ...] = ()


class GetCdnLogList(Action[CdnLogs], safe=True, errors=(1000, 17010, 17011, 17013)):
    """Where the delivery network's logs can be fetched; an hour without a call has none."""

    start_time: Annotated[UnixTime, Within(30), Code(17013)]
    """From when."""
    end_time: Annotated[UnixTime, Within(30)]
    """Until when."""
    hosts: Hosts = None
    """The domains, at most 20; None: all, but the reply has at most 20."""
