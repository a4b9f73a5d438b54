"""Serves what was delivered to viewers, and the domains that deliver."""

from collections.abc import Sequence
from datetime import date, datetime

from vodworker.api.cdn import (
    CdnByRegionIsp,
    CdnDetail,
    CdnLogs,
    CdnRegionIspDetail,
    CdnSamples,
    CdnTotals,
    DescribeCdnDetailStat,
    DescribeCdnRegionIspDetailStat,
    DescribeCdnStat,
    DescribeVodHosts,
    GetCdnLogList,
    HostByRegionIsp,
    HostList,
    HostLogs,
    HostSamples,
    HostTotal,
    LogFile,
    RegionIspSamples,
    VodHost,
    VodHosts,
)
from vodworker.api.statistics import Sample
from vodworker.emulator.calendar import BEIJING, begin, day_of, days
from vodworker.emulator.lookback import looking_back
from vodworker.emulator.refusal import BAD_HOST, Refusal
from vodworker.emulator.service import Serves, Service
from vodworker.emulator.traffic import PROVIDERS, REGIONS, SLOT, Delivery, Host, delivered, hosts, summed

ABROAD = 0.1  # of what a domain delivers, if it delivers abroad at all
LATE = 1800  # seconds until what went to regions and providers is counted
HOUR = 3600
RUNNING = 5  # of the states of a domain
CERTIFIED = 1_517_414_400, 1_548_950_400  # since when and until when the user's domain has its certificate: any days


def chosen(service: Service, names: Sequence[str] | None) -> tuple[Host, ...]:
    """The domains of these names, or all; one that the account does not have is refused."""
    known = hosts(service.settings.app_id)
    for name in names or ():
        if name not in {host.name for host in known}:
            raise Refusal(BAD_HOST, f"{name} is not a domain of this account")
    return tuple(host for host in known if names is None or host.name in names)


def _delivered(service: Service, host: Host, day: date, *, share: float = 1.0, late: float = 0.0) -> Delivery:
    now = service.clock.now() - late
    return delivered(service.state.files.values(), host, day, now=now, share=share)


def _domestic(service: Service, host: Host, day: date, stat_type: str) -> Sequence[int]:
    return _delivered(service, host, day, share=1 - ABROAD if host.oversea else 1).of(stat_type)


def _abroad(service: Service, host: Host, day: date, stat_type: str) -> Sequence[int] | None:
    """None where nothing is delivered; visitors abroad are not counted."""
    if not host.oversea or stat_type == "ip_visits":
        return None
    return _delivered(service, host, day, share=ABROAD).of(stat_type)


async def describe_cdn_stat(service: Service, call: DescribeCdnStat) -> CdnTotals:
    """One number for each domain and all days."""
    kind = call.stat_type
    totals = list[HostTotal]()
    for host in chosen(service, call.hosts):
        asked = list(days(call.start_date, call.end_date))
        home = [piece for day in asked for piece in _domestic(service, host, day, kind)]
        abroad = [piece for day in asked for piece in _abroad(service, host, day, kind) or ()]
        totals.append(
            HostTotal(
                host=host.name,
                domestic_value=summed(kind, home),
                oversea_value=summed(kind, abroad) if abroad else None,
            )
        )
    return CdnTotals(stat_type=kind, data=tuple(totals))


MINUTE = 60
WHOLE_DAY = 24 * 60  # minutes


async def describe_cdn_detail_stat(service: Service, call: DescribeCdnDetailStat) -> CdnDetail:
    """Numbers over time: of each day, or within one."""
    one = call.start_date == call.end_date
    interval = (call.interval or SLOT // MINUTE) if one else WHOLE_DAY
    told = list[HostSamples]()
    for host in chosen(service, call.hosts):
        home, abroad = list[Sample](), list[Sample]()
        for day in days(call.start_date, call.end_date):
            domestic = _domestic(service, host, day, call.stat_type)
            home += _samples(service, day, domestic, call.stat_type, interval)
            oversea = _abroad(service, host, day, call.stat_type)
            abroad += _samples(service, day, oversea or (), call.stat_type, interval)
        samples = HostSamples(host=host.name, domestic_data=tuple(home))
        told.append(samples.model_copy(update={"oversea_data": tuple(abroad)}) if abroad else samples)
    return CdnDetail(data=CdnSamples(interval=interval, stat_type=call.stat_type, host_data=tuple(told)))


def _samples(service: Service, day: date, pieces: Sequence[int], kind: str, interval: int) -> list[Sample]:
    """The pieces of a day put together to the distance that is asked for, those that have begun."""
    step, now = interval * MINUTE // SLOT, service.clock.now()
    return [
        Sample(time_stamp=begin(day) + slot * SLOT, value=summed(kind, pieces[slot : slot + step]))
        for slot in range(0, len(pieces), step)
        if begin(day) + slot * SLOT <= now
    ]


async def describe_cdn_region_isp_detail_stat(
    service: Service, call: DescribeCdnRegionIspDetailStat
) -> CdnRegionIspDetail:
    """What went to regions through providers on a day, every 5 minutes; who got nothing is left out."""
    told = list[HostByRegionIsp]()
    for host in chosen(service, call.hosts):
        parts = list[RegionIspSamples]()
        for region, (region_zh, viewers) in REGIONS.items():
            for provider, (provider_zh, users) in PROVIDERS.items():
                if region in (call.region_names or REGIONS) and provider in (call.isp_names or PROVIDERS):
                    share = viewers * users * (1 - ABROAD if host.oversea else 1)
                    pieces = _delivered(service, host, call.date, share=share, late=LATE).of(call.stat_type)
                    if any(pieces):
                        parts.append(
                            RegionIspSamples(
                                region_eng_name=region,
                                region_zh_name=region_zh,
                                isp_eng_name=provider,
                                isp_zh_name=provider_zh,
                                stat_data=tuple(_samples(service, call.date, pieces, call.stat_type, SLOT // MINUTE)),
                            )
                        )
        told.append(HostByRegionIsp(host=host.name, region_isp_data=tuple(parts)))
    return CdnRegionIspDetail(data=CdnByRegionIsp(stat_type=call.stat_type, host_data=tuple(told)))


async def describe_vod_hosts(service: Service, _: DescribeVodHosts) -> VodHosts:
    """The account's domains; only one of the user's has a certificate."""
    told = tuple(_host(host) for host in hosts(service.settings.app_id))
    return VodHosts(data=HostList(count=len(told), host_list=told))


def _host(host: Host) -> VodHost:
    if not host.own:
        return VodHost(host=host.name, oversea=host.oversea, status=RUNNING)
    since, until = CERTIFIED
    return VodHost(
        host=host.name,
        cname=f"{host.name}.cdn.dnsv1.com",
        oversea=host.oversea,
        status=RUNNING,
        ssl=True,
        ssl_deploy_time=since,
        ssl_expire_time=until,
    )


async def get_cdn_log_list(service: Service, call: GetCdnLogList) -> CdnLogs:
    """A log for each hour in which something was called."""
    told = list[HostLogs]()
    for host in chosen(service, call.hosts):
        home, abroad = list[LogFile](), list[LogFile]()
        for day in days(day_of(call.start_time), day_of(call.end_time)):
            domestic, oversea = (each(service, host, day, "requests") or () for each in (_domestic, _abroad))
            home += [_log(service, host, hour, "") for hour in _hours(call, day, domestic)]
            abroad += [_log(service, host, hour, "-oversea") for hour in _hours(call, day, oversea)]
        logs = HostLogs(host=host.name, domestic_log_list=tuple(home))
        told.append(logs.model_copy(update={"oversea_log_list": tuple(abroad)}) if host.oversea else logs)
    return CdnLogs(data=tuple(told))


def _hours(call: GetCdnLogList, day: date, calls: Sequence[int]) -> list[int]:
    """The beginnings of the hours of a day, within the time asked for, in which there were calls."""
    slots = HOUR // SLOT
    hours = [begin(day) + slot * SLOT for slot in range(0, len(calls), slots) if any(calls[slot : slot + slots])]
    return [hour for hour in hours if call.start_time - HOUR < hour <= call.end_time]


def _log(service: Service, host: Host, moment: int, where: str) -> LogFile:
    then = datetime.fromtimestamp(moment, BEIJING)
    name = f"{then:%Y%m%d%H}-{host.name}{where}"
    return LogFile(
        date=f"{then:%Y-%m-%d}", name=name, link=f"{service.origin}/cdnlog/{then:%Y%m%d}/{then:%H}/{name}.gz"
    )


SERVES: Serves = {
    DescribeCdnStat: looking_back(describe_cdn_stat),
    DescribeCdnRegionIspDetailStat: looking_back(describe_cdn_region_isp_detail_stat),
    DescribeCdnDetailStat: looking_back(describe_cdn_detail_stat),
    DescribeVodHosts: describe_vod_hosts,
    GetCdnLogList: looking_back(get_cdn_log_list),
}
