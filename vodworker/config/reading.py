"""Reading the settings from files and the environment, with all problems told at once.

Reads the files that it is pointed at and nothing else: the environment is handed in. The nearer wins: a flag of the
command line, a variable, the settings file, the directories of secrets, the default.
"""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from pydantic import ValidationError

from vodworker.config.tree import BURST, LIMITS, PREFIX, Settings, variable
from vodworker.errors import ConfigError

CONFIG = f"{PREFIX}CONFIG"
PLACES = (Path("vodworker.toml"), Path("/etc/vodworker/vodworker.toml"))
LISTED = 12  # names in a message: more are not read
SECTIONS = Settings.model_fields
RUN_SECRETS = Path("/run/secrets")  # where container engines put secrets


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it stands: `settings.toml: pull.streams`, or a variable, or a file."""

    value: object
    where: str


Key: TypeAlias = tuple[str, ...]  # section, key; for options also the handler and its key
_SECRETS = {("account", "secret_key"), ("account", "token"), ("journal", "url")}
_OPTIONS = ("handlers", "options")
_CREDENTIALS: Mapping[str, Key] = {  # file name in the directories of secrets
    "secret_id": ("account", "secret_id"),
    "secret_key": ("account", "secret_key"),
    "token": ("account", "token"),
    "journal_url": ("journal", "url"),
}


def find(file: Path | None, environ: Mapping[str, str], *, places: Sequence[Path] = PLACES) -> Path | None:
    """The settings file that counts: the one asked for, VODWORKER_CONFIG, or the first of `places` that is there."""
    if file is None and (named := environ.get(CONFIG)):
        file = Path(named)
    return file or next((place for place in places if place.is_file()), None)


@dataclass(frozen=True, slots=True)
class Survey:
    """What could be read: `settings` stand at their defaults where something is wrong.

    problems: each a sentence of its own. doubtful: the sections that do not say what the user meant.
    """

    settings: Settings
    problems: tuple[str, ...]
    doubtful: frozenset[str]


def load(
    *,
    environ: Mapping[str, str],
    actions: Collection[str],
    file: Path | None = None,
    flags: Mapping[Key, Given] | None = None,
    places: Sequence[Path] = PLACES,
    run_secrets: Path = RUN_SECRETS,
) -> Settings:
    """Read the settings, or raise `ConfigError` with every problem that there is; see `survey`."""
    found = survey(environ=environ, actions=actions, file=file, flags=flags, places=places, run_secrets=run_secrets)
    if found.problems:
        raise ConfigError(found.problems)
    return found.settings


def survey(
    *,
    environ: Mapping[str, str],
    actions: Collection[str],
    file: Path | None = None,
    flags: Mapping[Key, Given] | None = None,
    places: Sequence[Path] = PLACES,
    run_secrets: Path = RUN_SECRETS,
) -> Survey:
    """Read the settings, as far as they can be read.

    actions: the names that `[limits]` may have. flags: what the command line said, by section and key.
    """
    reading = _Reading(actions)
    directories = [(run_secrets, "vodworker_")]
    if "CREDENTIALS_DIRECTORY" in environ:  # systemd's; of this unit alone, so the names need no prefix
        directories.append((Path(environ["CREDENTIALS_DIRECTORY"]), ""))
    layers = (
        *(reading.secrets(directory, prefix) for directory, prefix in directories),
        reading.file(find(file, environ, places=places)),
        reading.environment(environ),
        dict(flags or {}),
    )
    given: dict[Key, Given] = {}
    for layer in layers:
        reading.open_key_file(layer)
        given.update(layer)
    return reading.settings(given)


class _Reading:
    """One reading of the settings: gathers what is given, and what is wrong with it."""

    def __init__(self, actions: Collection[str]) -> None:
        self._actions = actions
        self._problems: list[str] = []
        self._doubtful: set[str] = set()

    def _keys(self, section: str) -> Iterator[str]:
        """The keys of a section, if there is one of this name. Actions come last: to read them all takes time."""
        if section == "limits":
            yield from (*LIMITS, BURST)
            yield from (it for it in self._actions if it not in LIMITS)
        elif section in SECTIONS:
            yield from type(SECTIONS[section].default).model_fields

    def settings(self, given: Mapping[Key, Given]) -> Survey:
        """The tree of all that is given and can be used, and what cannot."""
        try:
            settings = Settings.model_validate(_tree(given))
        except ValidationError as error:
            wrong = list(_told(error, given))
            for (section, _), problem in wrong:
                self._note(section, problem)
            out = {place for place, _ in wrong}
            settings = Settings.model_validate(_tree({path: it for path, it in given.items() if path[:2] not in out}))
        return Survey(settings, tuple(self._problems), frozenset(self._doubtful))

    def _note(self, section: str, problem: str) -> None:
        """Note what is wrong, and where."""
        self._problems.append(problem)
        self._doubtful.add(section)

    def _nothing(self, problem: str) -> dict[Key, Given]:
        """Note why a whole file says nothing."""
        self._doubtful.update(SECTIONS)
        self._problems.append(problem)
        return {}

    def secrets(self, directory: Path, prefix: str) -> dict[Key, Given]:
        """Secrets that lie in files of their own names."""
        return {
            path: Given(text, str(directory / f"{prefix}{name}"))
            for name, path in _CREDENTIALS.items()
            if (directory / f"{prefix}{name}").is_file() and (text := self._secret(directory / f"{prefix}{name}"))
        }

    def file(self, file: Path | None) -> dict[Key, Given]:
        """What stands in the settings file."""
        if file is None:
            return {}
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            return self._nothing(f"{file} cannot be read: {error.strerror}; name another file with --config")
        except ValueError as error:  # TOML's and UTF-8's
            return self._nothing(f"{file} is not TOML: {error}; mend it there")
        given: dict[Key, Given] = {}
        for section, table in tables.items():
            if section not in SECTIONS:
                meant, every = nearest(section, SECTIONS), list(SECTIONS)
                brackets = ([f"[{it}]" for it in to] for to in (meant, every))
                self._wrong_name("".join(meant), f"{file}: [{section}]", "a section", *brackets)
            elif not isinstance(table, dict):
                self._note(section, f"{file}: {section} is no table; write [{section}]")
            else:
                for key, value in table.items():
                    path = (section, key)
                    where = f"{file}: {section}.{key}"
                    if key in self._keys(section):
                        given.update(self._opened(path, Given(value, where)))
                    else:
                        self._unknown(where, section, key, dotted)
        return given

    def environment(self, environ: Mapping[str, str]) -> dict[Key, Given]:
        """What the variables say; an empty one says nothing."""
        given: dict[Key, Given] = {}
        for name in sorted(environ):
            if name.startswith(PREFIX) and name != CONFIG:
                given.update(self._variable(name, environ[name]))
        return given

    def _variable(self, name: str, text: str) -> dict[Key, Given]:
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        keys = {it.lower(): it for it in self._keys(section)}  # an action's name has capitals
        if key in keys:
            path = (section, keys[key])
            return self._opened(path, Given(_parsed(text) if path == _OPTIONS else text, name)) if text else {}
        handler, _, option = key.removeprefix("options__").partition("__")
        if section == "handlers" and key.startswith("options__") and option:
            return {(*_OPTIONS, handler, option): Given(_parsed(text), name)}
        if keys and key:
            self._unknown(name, section, key, variable)
        else:
            known = [variable(section, key) for section in SECTIONS for key in self._keys(section)]
            meant = nearest(name.removeprefix(PREFIX), [it.removeprefix(PREFIX) for it in (*known, CONFIG)])
            meant = [f"{PREFIX}{it}" for it in meant]
            self._wrong_name(section, name, "a setting", meant, known)
        return {}

    def open_key_file(self, layer: dict[Key, Given]) -> None:
        """Put the content of `secret_key_file` in the place of `secret_key`; one of the two is enough."""
        named = layer.get(("account", "secret_key_file"))
        if named is None:
            return
        if ("account", "secret_key") in layer:
            other = layer["account", "secret_key"].where
            self._note("account", f"{named.where} and {other} both give the secret key; remove one of them")
        elif isinstance(named.value, str) and (text := self._secret(Path(named.value), named.where)):
            layer["account", "secret_key"] = Given(text, f"{named.where} ({named.value})")

    def _secret(self, file: Path, where: str = "") -> str:
        """What stands in a secret's file, without the line's end; "" and a problem when there is nothing."""
        named = ": ".join(
            filter(None, (where, str(file) if file.name != str(file) else ""))
        )  # it may be the key itself
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            self._note("account", f"{named} cannot be read: {why}; check its name and its rights")
            return ""
        if not text:
            self._note("account", f"{named} is empty; write the secret into it")
        return text

    def _opened(self, path: Key, it: Given) -> dict[Key, Given]:
        """A value by itself, but each handler's options by themselves, so that layers add up."""
        if path != _OPTIONS:
            if isinstance(it.value, bool):  # it would pass for a number
                self._note(path[0], f"{it.where} is {str(it.value).lower()}; no setting is a yes or a no")
                return {}
            return {path: it}
        if not isinstance(it.value, dict):
            self._note("handlers", f"{it.where} is no table; it must hold a table for each handler")
            return {}
        given: dict[Key, Given] = {}
        for handler, options in it.value.items():
            where = f"{it.where}.{handler}"
            if isinstance(options, dict):
                given.update({(*path, handler, key): Given(value, f"{where}.{key}") for key, value in options.items()})
            else:  # not shown: an option may be a secret
                self._note("handlers", f"{where} is no table; it must hold the options of the handler {handler}")
        return given

    def _unknown(self, where: str, section: str, key: str, spell: Callable[..., str]) -> None:
        """Note that there is no such key, and which was probably meant; `spell` writes a key as its place does."""
        keys = list(self._keys(section))
        elsewhere = [spell(other, key) for other in SECTIONS if key in self._keys(other)]
        meant = elsewhere or [spell(section, it) for it in nearest(key, keys)]
        kind = "an action" if section == "limits" else "a setting"
        self._wrong_name(section, where, kind, meant, [spell(section, it) for it in keys])

    def _wrong_name(self, section: str, where: str, kind: str, meant: Sequence[str], all_: Sequence[str]) -> None:
        remedy = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(all_[:LISTED])}"
        etc = ", …" if not meant and len(all_) > LISTED else ""
        self._note(section, f"{where} is not {kind}; {remedy}{etc}")


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """The one of `names` that was most likely meant, if any; letter case does not count."""
    folded = {it.casefold(): it for it in names}
    return [folded[it] for it in difflib.get_close_matches(name.casefold(), folded, n=1)]


def dotted(section: str, key: str) -> str:
    """A key as it is spoken of: `pull.streams`."""
    return f"{section}.{key}"


def _parsed(text: str) -> object:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


_WORDS = {  # pydantic's into ours: a problem goes on from "pull.streams is 0; "
    "Value error, ": "",
    "Input should": "it must",
    "Input is not a valid path for <class 'pathlib.Path'>": "it must be a path",
    "a valid tuple": "a list",
}


def must(message: str) -> str:
    """What pydantic says of a wrong value, as how it must be."""
    message = message.partition(", unable")[0]
    for theirs, ours in _WORDS.items():
        message = message.replace(theirs, ours)
    return message


def _tree(given: Mapping[Key, Given]) -> dict[str, Any]:
    """The values by section and key."""
    tree: dict[str, Any] = {}
    for path, it in given.items():
        *outer, last = path
        level = tree
        for name in outer:
            level = level.setdefault(name, {})
        level[last] = it.value
    return tree


def _told(error: ValidationError, given: Mapping[Key, Given]) -> Iterator[tuple[tuple[str, str], str]]:
    """Each problem: its section and key; where, what, and how it must be."""
    for problem in error.errors(include_url=False, include_input=False):
        path = cast("tuple[str, str]", tuple(map(str, problem["loc"]))[:2])  # of a tree of two floors
        it = given[path]
        shown = "wrong" if path in _SECRETS or re.search(r"[@?]", str(it.value)) else repr(it.value)  # of urls
        yield path, f"{it.where} is {shown}; {must(problem['msg'])}"
