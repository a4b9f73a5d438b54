"""Where the journal is: the store that the settings name. Apart from `app`, so that a look into it loads no client."""

from typing import Any

from vodworker.config import Settings
from vodworker.errors import ConfigError
from vodworker.journal.sqlite import open_sqlite


def open_journal(settings: Settings, *, sole: bool) -> Any:
    """The journal that the settings name, to be opened with `async with`."""
    if settings.journal.file:
        return open_sqlite(settings.journal.file, sole=sole)
    try:
        from vodworker.journal.postgres import open_postgres  # noqa: PLC0415  # an extra
    except ImportError as missing:
        raise ConfigError(
            [f"journal.url needs what is not installed ({missing}); run: pip install 'vodworker[postgres]'"]
        ) from missing
    return open_postgres(settings.journal.url, patient=sole)  # a daemon waits for the database, a command does not
