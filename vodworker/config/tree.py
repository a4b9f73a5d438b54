"""What can be set: one frozen tree, a class for each section of the settings file. Pure."""

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator

PREFIX = "VODWORKER_"


def variable(*path: str) -> str:
    """The environment variable for a key."""
    return PREFIX + "__".join(path).upper()


UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def _seconds(value: object) -> object:
    """`90`, `"90"`, `"90s"`, `"1.5m"`, `"36h"`, `"7d"`."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+\.?\d*)\s*([smhd]?)\s*", value)
    if match is None:
        raise ValueError("it must be a number of seconds, or like 90s, 15m, 36h, 7d")
    return float(match[1]) * UNITS[match[2]]


def _listed(value: object) -> object:
    """`["a", "b"]`, as text too, or `a, b`."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return [part.strip() for part in value.split(",") if part.strip()]


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Read `HOST:PORT`, a v6 host in brackets; ValueError when it is none."""
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"\d{1,5}", port) or int(port) > 65535:  # noqa: PLR2004  # the highest port
        raise ValueError("it must be HOST:PORT, like 127.0.0.1:8790")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def _listen(value: object) -> object:
    if value == "off":
        return None
    return address(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class Account(Section):
    """Whose events these are.

    The keys may be missing: `missing` says so to those who need them.
    """

    endpoint: str = "https://vod.api.qcloud.com/v2/index.php"
    """Where calls go; https, unless it is this machine. Without a path, the service's own is meant."""
    secret_id: str | None = None
    """The id of a key that may use VOD and nothing else."""
    secret_key: SecretStr | None = None
    """The key; better given as a file. It is in no log, error or journal."""
    secret_key_file: Path | None = None
    """The file that the key is in, in the place of `secret_key`."""
    token: SecretStr | None = None
    """Of temporary keys only."""
    region: str = "gz"
    """As the service wants it for VOD."""
    sub_app_id: Annotated[int, Field(gt=0)] | None = None
    """The sub-application that is meant; without it, the main one."""
    signature_method: Literal["HmacSHA256", "HmacSHA1"] = "HmacSHA256"
    """How calls are signed."""

    @field_validator("endpoint")
    @classmethod
    def _safe(cls, endpoint: str) -> str:
        url = urlsplit(endpoint)
        if url.scheme not in ("https", "http") or not url.hostname:
            raise ValueError("it must be an address like https://vod.api.qcloud.com/v2/index.php")
        if url.username is not None or url.query:  # it is shown in the log
            raise ValueError("it must hold no user, no password and no query; keys have settings of their own")
        if url.scheme == "http" and not loopback(url.hostname):
            raise ValueError("it must begin with https://, because only this machine may be spoken to in the clear")
        return url._replace(path="/v2/index.php").geturl() if url.path in ("", "/") else endpoint

    @property
    def missing(self) -> tuple[str, ...]:
        """What must still be given before a call can be signed: a problem each, none when all is there."""
        return tuple(
            f"account.{key} is missing; {remedy}"
            for key, value, remedy in (
                ("secret_id", self.secret_id, f"set it in the settings file or as {variable('account', 'secret_id')}"),
                (
                    "secret_key",
                    self.secret_key,
                    f"name its file as account.secret_key_file or {variable('account', 'secret_key_file')}",
                ),
            )
            if value is None
        )


class Pull(Section):
    """How the queue is read."""

    streams: Annotated[int, Field(ge=1, le=64)] = 2  # 64 polls of 5 s are 768 a minute: below the ceiling of 1000
    """Long polls at once."""
    max_backlog: Count = 100_000
    """Open entries above which pulling pauses; the service's queue keeps what comes meanwhile."""


class Calls(Section):
    """How the service is called."""

    timeout: Seconds = 15.0
    """For one request."""
    retries: Annotated[int, Field(ge=0)] = 2
    """Further tries at once, only after a failure that cannot have done anything twice."""


class Handlers(Section):
    """Which handlers run, and how."""

    directories: Annotated[tuple[Path, ...], BeforeValidator(_listed)] = (Path("handlers"),)
    """Where handler files are."""
    enabled: Annotated[tuple[str, ...] | None, BeforeValidator(_listed)] = None
    """The names of those that run; without it, all."""
    middleware: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """What is done around each run: functions as `module:function`, the first is the outermost."""
    concurrency: Count = 16
    """Runs at once of each handler."""
    attempts: Count = 8
    """Runs of an entry that may fail; then it is dead, and waits for an operator."""
    timeout: Seconds = 300.0
    """For one run of a handler; waiting for a token does not count."""
    options: Mapping[str, Mapping[str, Any]] = Field(default={}, repr=False)  # a webhook's key may be among them
    """Each handler's own settings, in a table of its own: `[handlers.options.NAME]`, or `…__OPTIONS__NAME__KEY`."""


class Work(Section):
    """How entries are worked off."""

    grace: Annotated[float, BeforeValidator(_seconds), Field(ge=0, allow_inf_nan=False)] = 30.0
    """That running handlers are given at a stop; what is unfinished then stays open."""
    lease: Annotated[float, BeforeValidator(_seconds), Field(ge=3, allow_inf_nan=False)] = 60.0
    """For which a daemon holds an entry; renewed while it runs. After a crash others wait for so long."""


class JournalPlace(Section):
    """Where events are kept, and for how long."""

    url: str = Field(default="sqlite:///vodworker.db", repr=False)
    """Where it is: `sqlite:///FILE`, or `postgresql://USER@HOST/NAME` for several daemons."""
    keep: Seconds = 7 * 86400.0
    """For how long what ended well is kept; what is open or dead is kept until it ends."""

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if not re.match(r"sqlite:///[^:]|postgres(ql)?://.", url):  # nothing in memory: an event would not outlive us
            raise ValueError(
                "it must be sqlite:///FILE (four slashes when FILE is absolute) or postgresql://USER@HOST/NAME"
            )
        return url

    @property
    def file(self) -> Path | None:
        """The journal's file; None when it is no file."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None

    @property
    def shown(self) -> str:
        """The url without its password, be it written with an @ or a / that should not be, or as a parameter."""
        return re.sub(r"([?&]password=)[^&]*", r"\1***", re.sub(r"(://[^/@:]*:).*@", r"\1***@", self.url))


class LogStyle(Section):
    """How the log looks."""

    format: Literal["json", "console"] | None = None
    """Without it, console on a terminal and json elsewhere."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""
    language: Literal["en", "zh"] = "en"
    """Of error explanations."""


class Http(Section):
    """Health and metrics."""

    listen: Annotated[Address | None, BeforeValidator(_listen)] = None
    """Where `/healthz`, `/readyz` and `/metrics` are answered; without it, nowhere."""


LIMITS: Mapping[str, int] = {"default": 100, "PullEvent": 1000, "ConfirmEvent": 1000}  # what the manual allows
BURST = "burst"  # beside the actions in [limits]: how many calls of one may go at once


class Settings(Section):
    """All settings; each field is a section of the file."""

    account: Account = Account()
    pull: Pull = Pull()
    limits: Mapping[str, Count] = {}
    """Calls in 60 s, of each action by its name; `default` is for all others. `burst`: how many of an action's
    calls may go at once, the others follow evenly; without it, all that are free."""
    calls: Calls = Calls()
    handlers: Handlers = Handlers()
    work: Work = Work()
    journal: JournalPlace = JournalPlace()
    log: LogStyle = LogStyle()
    http: Http = Http()

    @field_validator("limits")
    @classmethod
    def _with_defaults(cls, limits: Mapping[str, int]) -> Mapping[str, int]:
        return {**LIMITS, **limits}

    def limit(self, action: str) -> int:
        """Calls of this action that are allowed in 60 s."""
        return self.limits.get(action, self.limits["default"])

    def burst(self, action: str) -> int:
        """Calls of this action that may go at once; the rest of the minute's follow evenly. The default is all."""
        return min(self.limits.get(BURST, self.limit(action)), self.limit(action))


def loopback(host: str) -> bool:
    """Whether what is sent to this host stays on this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
