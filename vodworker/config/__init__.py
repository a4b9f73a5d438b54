"""The edge towards the user's settings: `tree` says what can be set, `reading` finds it."""

from vodworker.config.reading import Given, Key, Survey, find, load, must, nearest, survey
from vodworker.config.tree import Account, Address, Settings, address, variable

__all__ = [
    "Account",
    "Address",
    "Given",
    "Key",
    "Settings",
    "Survey",
    "address",
    "find",
    "load",
    "must",
    "nearest",
    "survey",
    "variable",
]
