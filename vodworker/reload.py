"""Settings that are read again while the daemon runs (SIGHUP): what can change without a restart, does.

That is how the log looks, the account's keys and the options of handlers, but of those that have resources, which were
opened with them. All the rest is told and left as it was; with one mistake in them, nothing changes at all.
"""

import asyncio
import signal
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from pydantic import BaseModel

from vodworker.config import Settings
from vodworker.errors import ConfigError
from vodworker.log import log, setup
from vodworker.router import Router

LIVE: Mapping[str, tuple[str, ...]] = {  # what a reload changes
    "account": ("secret_id", "secret_key", "secret_key_file", "token"),
    "handlers": ("options",),
    "log": ("format", "level", "language"),
}


class Live:
    """The settings in force. `options` are each handler's own; who holds them sees them change.

    read: reads the settings anew. router: the loaded handlers. stream: where the log goes.
    """

    def __init__(
        self, settings: Settings, read: Callable[[], Settings], router: Router, *, stream: BinaryIO | None = None
    ) -> None:
        self.settings = settings
        self.options = router.options(settings.handlers.options)
        self._read = read
        self._router = router
        self._stream = stream

    def __repr__(self) -> str:
        return f"<Live settings of {self.settings.account.endpoint}>"

    @contextmanager
    def reloading(self, use: Callable[[Settings], None]) -> Generator[None]:
        """Reload at each SIGHUP inside; `use` puts to use what this class does not: the account's keys."""
        loop = asyncio.get_running_loop()
        before = signal.getsignal(signal.SIGHUP)
        loop.add_signal_handler(signal.SIGHUP, self.reload, use)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            signal.signal(signal.SIGHUP, before)

    def reload(self, use: Callable[[Settings], None]) -> None:
        """Read the settings again, and change what can be changed; or tell why not."""
        try:
            found = self._read()
            settings = merged(self.settings, found, fixed=self._fixed)
            self._check(settings)
            options = self._router.options(settings.handlers.options)
            use(settings)
        except ConfigError as error:
            log.error("worker.unchanged", problems=error.problems)
            return
        changed = differences(self.settings, settings)
        self.settings = settings
        self.options.update(options)
        setup(settings.log.format, settings.log.level, stream=self._stream)
        log.info("worker.reloaded", changed=changed, kept=differences(settings, found))

    def _check(self, settings: Settings) -> None:
        strange = sorted(set(settings.handlers.options) - {*self._router.routes, *self.settings.handlers.options})
        if strange:
            raise ConfigError([f"{name} is not a handler that is loaded; restart to load it" for name in strange])

    @property
    def _fixed(self) -> tuple[str, ...]:
        """The handlers whose options stay: their resources were opened with them."""
        return tuple(name for name, route in self._router.routes.items() if route.marked.resources)


def merged(old: Settings, new: Settings, *, fixed: Collection[str] = ()) -> Settings:
    """The old settings with what is `LIVE` of the new ones; the options of `fixed` handlers are the old ones."""
    options = {name: table for name, table in new.handlers.options.items() if name not in fixed}
    options |= {name: table for name, table in old.handlers.options.items() if name in fixed}
    new = new.model_copy(update={"handlers": new.handlers.model_copy(update={"options": options})})
    sections = {name: (getattr(old, name), getattr(new, name), keys) for name, keys in LIVE.items()}
    return old.model_copy(
        update={
            name: was.model_copy(update={key: getattr(now, key) for key in keys})
            for name, (was, now, keys) in sections.items()
        }
    )


def differences(old: Settings, new: Settings) -> list[str]:
    """The settings that are not the same in both, by name; limits by their action, options by their handler."""
    one, other = flat(old), flat(new)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def flat(settings: Settings) -> dict[str, Any]:
    """Each setting by its name."""
    found: dict[str, Any] = {}
    for section in Settings.model_fields:
        table = getattr(settings, section)
        keys = type(table).model_fields if isinstance(table, BaseModel) else table
        values = {key: getattr(table, key) if isinstance(table, BaseModel) else table[key] for key in keys}
        found |= {f"{section}.{key}": value for key, value in values.items()}
    options = found.pop("handlers.options")
    return found | {f"handlers.options.{name}": table for name, table in options.items()}
