"""Send events on to an address of yours: a POST of the event's JSON, as the service sent it.

    [handlers.options.webhook]
    url = "https://example.com/vod"         # without it nothing is sent
    secret = "a long random text"           # signs what is sent; it can stand in a variable of the environment
    types = ["NewFileUpload", "FileDeleted"]  # only these; all unless it is given
    timeout = 10                            # seconds

A 2xx is done. 408, 425, 429, 5xx and a silent server are tried again, after Retry-After when it is given; any other 4xx
is dead at once. The same event may arrive twice: `Vodworker-Event-Id` is then the same. Redirects are not followed.

With a secret there are two headers more. The receiver (Python; any language has these few functions) checks them so:

    stamp, signature = headers["Vodworker-Timestamp"], headers["Vodworker-Signature"]
    expected = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise PermissionError("not from our worker")
    if abs(time.time() - int(stamp)) > 300:
        raise PermissionError("too old: somebody sends it again")
"""

import hashlib
import hmac
import time

import aiohttp
from pydantic import BaseModel, Field, HttpUrl, SecretStr

from vodworker import Context, Done, Outcome, Reject, Retry, on
from vodworker.events import Event

PASSING = frozenset({408, 425, 429})  # timeout, too early, too many: of all 4xx those that pass
LONGEST_WAIT = 3600.0  # seconds; a server that asks for more is asked earlier


class Options(BaseModel, frozen=True):
    """What can be set."""

    url: HttpUrl | None = None
    secret: SecretStr | None = None
    types: frozenset[str] | None = None
    timeout: float = Field(10.0, gt=0)


@on(Event, options=Options)
async def webhook(event: Event, ctx: Context[Options]) -> Outcome:
    """It hears everything, and is done at once with what is not to be sent."""
    options = ctx.options
    if options.url is None or (options.types is not None and event.type not in options.types):
        return Done()
    headers = {"Content-Type": "application/json", "Vodworker-Event-Id": str(ctx.event_id)}
    if options.secret:
        headers |= signature(options.secret.get_secret_value(), event.raw, int(time.time()))
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=options.timeout)) as http,
            http.post(str(options.url), data=event.raw, headers=headers, allow_redirects=False) as response,
        ):
            status, after = response.status, response.headers.get("Retry-After", "")
    except (aiohttp.ClientError, TimeoutError) as error:
        return Retry(why=f"no answer: {type(error).__name__} {error}")
    why = f"the server answered {status}"
    match status // 100:
        case 2:
            return Done()
        case 4 if status not in PASSING:
            return Reject(why)
        case _:
            return Retry(min(float(after), LONGEST_WAIT) if after.isdecimal() else None, why)


def signature(secret: str, body: bytes, stamp: int) -> dict[str, str]:
    """The headers that tell when and by whom the body was sent."""
    digest = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Vodworker-Timestamp": str(stamp), "Vodworker-Signature": digest}
