"""The words of which explanations are made."""

from enum import StrEnum
from typing import NamedTuple


class Said(NamedTuple):
    """The same in English and in Chinese."""

    en: str
    zh: str


class Fault(StrEnum):
    """Who has to do something about it."""

    SOURCE = "source"  # the file that was to be processed
    REQUEST = "request"  # what was asked for, and so the handler that asked
    ACCOUNT = "account"  # keys, rights, ceilings, money
    SERVICE = "service"  # the cloud's own trouble
    UNKNOWN = "unknown"


class Entry(NamedTuple):
    """A row of the table. stage: where it happened; retryable: whether the same, done again, may end better."""

    stage: Said
    cause: Said
    fault: Fault
    retryable: bool
    remedy: Said


NOTHING = Said("ask the vendor's support, with the request and the reply", "携带请求与应答联系腾讯云技术支持")

UNKNOWN = Entry(
    Said("unknown", "未知"),
    Said("no document of the service explains this code", "服务文档中没有这个错误码的说明"),
    Fault.UNKNOWN,
    False,
    NOTHING,
)
