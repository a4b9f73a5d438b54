"""Every action of the service, and the parts of their parameters and replies, under one name.

The families are imported whole, so that no name is written twice; `ACTIONS` is computed from what came.
"""
# ruff: noqa: F403  # a list of names here would be a second list of actions

from collections.abc import Mapping
from typing import Final

from vodworker.api.action import Action as Action
from vodworker.api.action import Page as Page
from vodworker.api.action import Reply as Reply
from vodworker.api.action import table
from vodworker.api.cdn import *
from vodworker.api.classes import *
from vodworker.api.files import *
from vodworker.api.keys import *
from vodworker.api.procedures import *
from vodworker.api.processing import *
from vodworker.api.retired import *
from vodworker.api.statistics import *
from vodworker.api.tasks import *
from vodworker.api.templates import *
from vodworker.api.upload import *
from vodworker.api.video_info import *
from vodworker.api.watermarks import *

ACTIONS: Final[Mapping[str, type[Action[Reply]]]] = table(globals())
