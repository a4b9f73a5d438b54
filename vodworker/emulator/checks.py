"""What every call must carry: who sends it, when, and the proof. Pure: the wall's time is passed in."""

import hmac
from collections.abc import Iterator, Mapping

from vodworker import sign
from vodworker.emulator.refusal import PARAMETER, REPLAY, SECRET_ID, SIGNATURE, TOKEN, Refusal

PATH = "/v2/index.php"
REQUIRED = ("Action", "Region", "Timestamp", "Nonce", "SecretId", "Signature")
LONGEST = 20  # digits: the largest unsigned integer of 64 bits
TOLERANCE = 300  # seconds that a Timestamp may be off; older text of the service allows two hours


class Guard:
    """Lets in who can prove who they are, once for each Nonce. `accounts` maps a SecretId to its SecretKey.

    token: what calls must carry as Token, "" for none.
    """

    def __init__(self, accounts: Mapping[str, str], *, token: str = "") -> None:
        self.accounts = accounts
        self.token = token
        self._seen: dict[int, set[tuple[str, int]]] = {}

    def __repr__(self) -> str:
        return f"<Guard of {len(self.accounts)} accounts, {sum(map(len, self._seen.values()))} calls remembered>"

    def admit(self, params: Mapping[str, str], *, method: str, host: str, now: float) -> None:
        """Raise the refusal that the service would answer with, or remember the call.

        host: as the Host header has it; a signature over the host alone, without its port, counts too. now: Unix
        seconds. The order is of growing trust, so that nobody can use up another's Nonce.
        """
        for name in REQUIRED:
            if not params.get(name):
                raise Refusal(PARAMETER, f"{name} is missing")
        timestamp, nonce = _number("Timestamp", params), _number("Nonce", params)
        if params.get("SubAppId"):
            _number("SubAppId", params)
        secret_id = params["SecretId"]
        if secret_id not in self.accounts:
            raise Refusal(SECRET_ID, "this SecretId does not exist or is disabled")
        if params.get("Token", "") != self.token:
            raise Refusal(TOKEN, "Token is not that of these credentials")
        if abs(now - timestamp) > TOLERANCE:
            raise Refusal(REPLAY, f"Timestamp is {now - timestamp:.0f} s off, more than {TOLERANCE} s")
        self._prove(params, method, host)
        self._forget(now)
        seen = self._seen.setdefault(timestamp, set())
        if (secret_id, nonce) in seen:
            raise Refusal(REPLAY, "this Nonce was used with this Timestamp before")
        seen.add((secret_id, nonce))

    def _prove(self, params: Mapping[str, str], method: str, host: str) -> None:
        if params.get("SignatureMethod", sign.DEFAULT_METHOD) not in sign.METHODS:
            raise Refusal(PARAMETER, f"SignatureMethod is none of {', '.join(sign.METHODS)}")
        key, claimed = self.accounts[params["SecretId"]], params["Signature"].encode()
        for name in _hosts(host):
            proof = sign.signature(params, secret_key=key, method=method, host=name, path=PATH)
            if hmac.compare_digest(proof.encode(), claimed):
                return
        raise Refusal(SIGNATURE, "the signature does not match the request")

    def _forget(self, now: float) -> None:
        """Drop what its Timestamp alone would refuse by now; the oldest are in front, give or take the tolerance."""
        while self._seen and now - (oldest := next(iter(self._seen))) > TOLERANCE:
            del self._seen[oldest]


def _number(name: str, params: Mapping[str, str]) -> int:
    value = params[name]
    if value.isascii() and value.isdigit() and len(value) <= LONGEST and int(value) > 0:
        return int(value)
    raise Refusal(PARAMETER, f"{name} is not a positive integer")


def _hosts(host: str) -> Iterator[str]:
    yield host
    name, _, port = host.rpartition(":")
    if name and port.isdigit():
        yield name
