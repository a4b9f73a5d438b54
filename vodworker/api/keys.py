"""Keys of encrypted outputs."""

from typing import Annotated

from pydantic import Field

from vodworker.api.action import Action, Reply
from vodworker.api.bounds import Some, Text
from vodworker.media import Detail


class KeyPair(Detail):
    """A data key, as it was given and in the clear."""

    edk: str | None = None
    dk: str | None = None  # base64 of 16 bytes


class KeyList(Detail):
    """Keys in the clear."""

    key_list: tuple[KeyPair, ...] = ()


class DataKeys(Reply):
    """Keys in the clear."""

    data: KeyList | None = None


class DescribeDrmDataKey(Action[DataKeys], safe=True, errors=(1000, 1001, 10009)):
    """Decrypt data keys that came with the event of an encrypting task; only those of VOD's own key service."""

    edk_list: Annotated[Some[Text], Field(max_length=10)]
    """The encrypted keys, at most 10."""
