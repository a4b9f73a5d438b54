"""Whose calls these are, and where they go."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Account:
    """Whose calls these are, and where they go. The keys are not in its repr."""

    endpoint: str
    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    region: str = "gz"
    sub_app_id: int | None = None
    signature_method: str = "HmacSHA256"

    def common(self, action: str, *, timestamp: int, nonce: int) -> dict[str, str]:
        """The parameters that every request carries, but for the signature."""
        common = {
            "Action": action,
            "Region": self.region,
            "Timestamp": str(timestamp),
            "Nonce": str(nonce),
            "SecretId": self.secret_id,
            "SignatureMethod": self.signature_method,
        }
        if self.token:
            common["Token"] = self.token
        if self.sub_app_id is not None:
            common["SubAppId"] = str(self.sub_app_id)
        return common
