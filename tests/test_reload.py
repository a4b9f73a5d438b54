"""What a reload changes, what it leaves, and what it refuses; the signal itself is shown by a real daemon."""

import io
from pathlib import Path
from typing import Any

import pytest

from vodworker import Context, on
from vodworker.config import Settings
from vodworker.errors import ConfigError
from vodworker.events import Event
from vodworker.log import heard, setup
from vodworker.reload import LIVE, Live, differences, merged
from vodworker.router import Router

OLD: dict[str, Any] = {"account": {"secret_id": "test-secret-id", "secret_key": "test-secret-key"}}
NEW: dict[str, Any] = {
    "account": {"secret_id": "another-id", "secret_key": "another-key", "endpoint": "https://elsewhere.example/"},
    "handlers": {"options": {"hear": {"colour": "red"}}, "concurrency": 3},
    "limits": {"ProcessFile": 7},
    "log": {"level": "debug"},
    "pull": {"streams": 9},
}


@on(Event)
async def hear(event: Event, ctx: Context) -> None:
    """The only handler that is loaded."""


ROUTER = Router.of(hear)


def settings(**sections: Any) -> Settings:
    """Settings with these sections."""
    return Settings.model_validate({**OLD, **sections})


class Reloaded:
    """A daemon's live settings, and what was told of a reload to others."""

    def __init__(self, found: Settings | ConfigError, *, fails: ConfigError | None = None) -> None:
        setup("json", stream=io.BytesIO())
        self.used: list[Settings] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.live = Live(settings(), lambda: raised(found) if isinstance(found, ConfigError) else found, ROUTER)
        held = self.live.options
        with heard(lambda event, facts: self.told.append((event, dict(facts)))):
            self.live.reload(lambda it: raised(fails) if fails else self.used.append(it))
        assert held is self.live.options


def raised(error: ConfigError) -> Any:
    """Raise it."""
    raise error


def test_what_can_change_does() -> None:
    """Keys, handlers' options and the log's look are in force at once; the rest stays, and is told to wait."""
    it = Reloaded(settings(**NEW))
    ((event, facts),) = it.told

    assert ("worker.reloaded", ["account.secret_id", "account.secret_key", "handlers.options.hear", "log.level"]) == (
        event,
        facts["changed"],
    )
    assert ["account.endpoint", "handlers.concurrency", "limits.ProcessFile", "pull.streams"] == facts["kept"]
    assert {"hear": {"colour": "red"}} == it.live.options
    assert ("another-id", "https://vod.api.qcloud.com/v2/index.php", 2) == (
        it.used[0].account.secret_id,
        it.used[0].account.endpoint,
        it.live.settings.pull.streams,
    )


def test_nothing_changed_is_told() -> None:
    """A reload of the same settings changes nothing."""
    it = Reloaded(settings())

    assert [("worker.reloaded", [], [])] == [(event, facts["changed"], facts["kept"]) for event, facts in it.told]


@pytest.mark.parametrize(
    "reload,problem",
    [
        (lambda: Reloaded(ConfigError(["pull.streams is 0"])), "pull.streams is 0"),
        (lambda: Reloaded(settings(**NEW), fails=ConfigError(["no key"])), "no key"),
        (
            lambda: Reloaded(settings(handlers={"options": {"sing": {"loud": 1}}})),
            "sing is not a handler that is loaded; restart to load it",
        ),
    ],
)
def test_a_mistake_changes_nothing(reload: Any, problem: str) -> None:
    """With wrong settings, missing keys or options of nobody, the daemon goes on with what it has, and tells them."""
    it = reload()
    ((event, facts),) = it.told

    assert ("worker.unchanged", (problem,)) == (event, facts["problems"])
    assert (settings(), {"hear": {}}) == (it.live.settings, it.live.options)
    assert "https://vod" in repr(it.live)


def test_live_settings_are_settings() -> None:
    """Each setting that a reload changes is one."""
    one, other = settings(), settings(account={"secret_key_file": Path("key")}, log={"format": "console"})

    assert {f"{section}.{key}" for section, keys in LIVE.items() for key in keys} <= {
        f"{section}.{key}" for section in LIVE for key in type(getattr(one, section)).model_fields
    }
    assert ["account.secret_id", "account.secret_key", "account.secret_key_file", "log.format"] == differences(
        one, merged(one, other)
    )
