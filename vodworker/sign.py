"""The signature of a request: the same arithmetic for who sends it and for who checks it.

Pure: no clock, no I/O; chance is passed in.
"""

import base64
import hmac
from collections.abc import Callable, Iterator, Mapping
from itertools import count

METHODS = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
DEFAULT_METHOD = "HmacSHA1"  # what a request without SignatureMethod is signed with


def signature(params: Mapping[str, str], *, secret_key: str, method: str, host: str, path: str) -> str:
    """The signature of a request with these parameters, all that are sent; a Signature among them is not signed.

    method, host, path: of HTTP, as in `POST`, `vod.api.qcloud.com`, `/v2/index.php`; the host with its port where it
    has one. Values are raw: they are URL-encoded only on their way. ValueError names an unknown SignatureMethod.
    """
    name = params.get("SignatureMethod", DEFAULT_METHOD)
    if name not in METHODS:
        raise ValueError(f"SignatureMethod {name!r} is not known; use {' or '.join(METHODS)}")
    # To the service `_` and `.` are one in a name, and the dot is signed. Sorting text by code point is sorting its
    # UTF-8 by byte, as it must be.
    named = {key.replace("_", "."): value for key, value in params.items() if key != "Signature"}
    query = "&".join([f"{key}={named[key]}" for key in sorted(named)])
    text = f"{method.upper()}{host}{path}?{query}"
    return base64.b64encode(hmac.digest(secret_key.encode(), text.encode(), METHODS[name])).decode()


def signed(params: Mapping[str, str], *, secret_key: str, method: str, host: str, path: str) -> dict[str, str]:
    """The parameters with their Signature, ready to be sent."""
    return {**params, "Signature": signature(params, secret_key=secret_key, method=method, host=host, path=path)}


def nonces(random: Callable[[], float]) -> Iterator[int]:
    """Numbers for Nonce, each once: they count up from a random start, so that two processes hardly ever meet.

    random: gives a number in [0, 1). The service refuses a Nonce that it saw with the same Timestamp, and a small range
    is a known cause of that.
    """
    return count(1 + int(random() * LARGEST_START))


LARGEST_START = 2**52  # no count of calls leads from here past 2**53, up to where every JSON reader is exact
