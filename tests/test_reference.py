"""The reference pages are what the declarations say, and leave out nothing."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from vodworker.api import ACTIONS
from vodworker.cli import COMMANDS
from vodworker.codes import TABLE, explain
from vodworker.config import Settings
from vodworker.events import EVENTS, Event
from vodworker.log import FIELDS, LOG_EVENTS
from vodworker.media import Detail
from vodworker.reference import PAGES, write
from vodworker.texts import documented

DOCS = Path(__file__).resolve().parent.parent / "docs"


def kinds(family: type[Detail]) -> list[type[Detail]]:
    """A class and all that extend it, as far as events are made of them; replies have more."""
    children = [
        child for child in family.__subclasses__() if re.fullmatch(r"vodworker\.(events|media)", child.__module__)
    ]
    return [family, *(kind for child in children for kind in kinds(child))]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_declarations_say(name: str) -> None:
    """The page that is shipped is up to date (else: `make docs`)."""
    assert PAGES[name]() == (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAGES.keys() - {"shipped.md"}))
def test_tables_are_whole(name: str) -> None:
    """Every row of a table has as many cells as its head: nothing in a text breaks it."""
    tables = re.findall(r"(?:^\|.*\n)+", PAGES[name](), re.MULTILINE)

    assert tables
    for table in tables:
        assert 1 == len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}), table


def test_pages_are_written_into_a_folder(tmp_path: Path) -> None:
    """Whoever changes a declaration writes the pages anew with one command."""
    write(tmp_path)

    assert {name: page() for name, page in PAGES.items()} == {
        path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()
    }


@pytest.mark.parametrize(
    "page,names",
    [
        ("actions.md", [f"## {name}\n" for name in ACTIONS]),
        ("codes.md", [f"| `{code}` |" for code in TABLE] + [explain(code, language="zh").cause for code in TABLE]),
        ("commands.md", [f"## vodworker {name}\n" for name in COMMANDS]),
        ("events.md", [f"## {name}\n" for name in EVENTS]),
        ("log.md", [f"| `{name}` | {it.level} |" for name, it in LOG_EVENTS.items()]),
        ("log.md", [f"| `{name}` | {meaning} |" for name, meaning in FIELDS.items()]),
        ("shipped.md", [f"    [handlers.options.{file.stem}]\n" for file in (DOCS.parent / "handlers").glob("*.py")]),
        ("settings.md", [f"## {section}\n" for section in Settings.model_fields]),
    ],
)
def test_page_has_everything(page: str, names: list[str]) -> None:
    """Each thing that is declared stands on its page."""
    text = PAGES[page]()

    assert [] == [name for name in names if name not in text]


@pytest.mark.parametrize("kind", kinds(Detail), ids=lambda kind: kind.__name__)
def test_every_field_of_an_event_is_explained(kind: type[Detail]) -> None:
    """Every event, every piece of one, and every field says what it is; an editor shows it."""
    assert kind.__doc__
    assert set(kind.model_fields) == set(documented(kind))


@pytest.mark.parametrize(
    "section", [it.default for it in Settings.model_fields.values()], ids=lambda it: type(it).__name__
)
def test_every_setting_is_explained(section: object) -> None:
    """Every key of the settings file says what it is."""
    if isinstance(section, BaseModel):
        assert set(type(section).model_fields) == set(documented(type(section)))
    else:
        assert "limits" in documented(Settings)


@pytest.mark.parametrize(
    "name,told",
    [
        ("NewFileUpload", "Key: `file_id`; comes after [CommitUpload](actions.md#commitupload)."),
        ("ConcatComplete", "Key: `vod_task_id`; comes after"),
        ("ClipComplete", "Key: `src_file_id`, else `vod_task_id`; comes after"),
        ("FileDeleted", "Key: `file_info.file_id`; comes after"),
        ("PorncheckComplete", "Key: `file_id`, else `vod_task_id`."),
    ],
)
def test_event_tells_its_key_and_its_cause(name: str, told: str) -> None:
    """What events are put in order by, and after which action they come, stands with each."""
    (section,) = re.findall(rf"^## {name}\n.*?(?=^## )", PAGES["events.md"](), re.MULTILINE | re.DOTALL)

    assert f"*{told}" in section
    assert issubclass(EVENTS[name], Event)
