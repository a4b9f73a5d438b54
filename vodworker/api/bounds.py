"""What values parameters may have: bounds, units, spellings, and the code with which the service refuses the others."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Annotated, Any, Literal, LiteralString, TypeAlias, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    PlainSerializer,
    ValidationError,
)
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import no_info_after_validator_function

from vodworker.api.action import Action, Reply

# --- facts that ride on a parameter's type, for whoever reads the declarations


@dataclass(frozen=True, slots=True)
class Code:
    """The service's own code for a value of this parameter that it refuses; `on`: only for this kind of mistake."""

    number: int
    on: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts."""

    name: str


@dataclass(frozen=True, slots=True)
class Within:
    """The service looks back this many days from today; only it can tell, by its clock."""

    days: int


# --- bounds that pydantic does not know


@dataclass(frozen=True, slots=True)
class Octets:
    """A text of at most `most` bytes in UTF-8."""

    most: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.check, handler(source))

    def check(self, text: str | None) -> str | None:
        """The text itself when it is short enough."""
        if text is not None and (length := len(text.encode())) > self.most:
            raise PydanticCustomError(
                "too_many_bytes",
                "Text should have at most {most} bytes, it has {length}",
                {"most": self.most, "length": length},
            )
        return text


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A number between `least` and `most`, or the negative of one: then the source's own value is never raised to it.

    zero: 0 is allowed too, and means "as the source" or "in proportion".
    """

    least: float
    most: float
    zero: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.check, handler(source))

    def check(self, number: float | None) -> float | None:
        """The number itself when it lies within."""
        if number is None or self.least <= abs(number) <= self.most or (self.zero and number == 0):
            return number
        raise PydanticCustomError(
            "out_of_range",
            "Number should be from {least} to {most}" + (", or 0" if self.zero else "") + ", the negatives included",
            {"least": f"{self.least:g}", "most": f"{self.most:g}"},
        )


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of some numbers; negatives: or the negative of one, which then is never raised to."""

    numbers: tuple[int, ...]
    negatives: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self.check, handler(source))

    def check(self, number: int | None) -> int | None:
        """The number itself when it is one of them."""
        if number is None or (abs(number) if self.negatives else number) in self.numbers:
            return number
        choice = ", ".join(map(str, self.numbers)) + (", the negatives included" if self.negatives else "")
        raise PydanticCustomError("none_of", "Number should be one of {choice}", {"choice": choice})


def wrong(code: int, message: LiteralString) -> PydanticCustomError:
    """A mistake that no single parameter makes, with the code that the service has for it."""
    return PydanticCustomError("rule", message, {"code": code})


# --- spellings


class Priority(IntEnum):
    """How soon something is done, where there are three degrees."""

    NORMAL = 0
    HIGH = 1
    LOW = 2


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _split(value: object) -> object:
    return [part for part in value.split(",") if part] if isinstance(value, str) else value


def _open(value: object) -> object:
    return {"open": True, "close": False}.get(value.lower(), value) if isinstance(value, str) else value


def _day(value: object) -> object:
    """Only yyyy-mm-dd: pydantic would take seconds since 1970 for a day, too."""
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        raise PydanticCustomError("day", "Day should be written yyyy-mm-dd")
    return value


T = TypeVar("T")

Several: TypeAlias = Annotated[Sequence[T], AfterValidator(tuple)]  # a list is welcome, and kept from changing
Some: TypeAlias = Annotated[Sequence[T], Field(min_length=1), AfterValidator(tuple)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]  # an empty required text is a missing one
Seconds: TypeAlias = Annotated[int, Unit("s")]
Milliseconds: TypeAlias = Annotated[int, Field(ge=0), Unit("ms")]
Kbps: TypeAlias = Annotated[int, Unit("kbit/s")]
Bytes: TypeAlias = Annotated[int, Field(ge=0), Unit("bytes")]
UnixTime: TypeAlias = Annotated[int, Field(ge=0), Unit("Unix s")]
Definition: TypeAlias = Annotated[int, Field(ge=0)]  # the number of a template, preset or custom
Urgency: TypeAlias = Annotated[int, Field(ge=-10, le=10)]  # of a flow of tasks; higher runs first
Measure: TypeAlias = Annotated[str, Field(pattern=r"^\d{1,5}(\.\d{1,3})?(%|px)$")]  # of the picture's side, or pixels
Tag: TypeAlias = Annotated[str, Field(pattern=r"^[0-9A-Za-z\u3400-\u4dbf\u4e00-\u9fff]{1,8}$")]
CommaTags: TypeAlias = Annotated[Several[Tag], BeforeValidator(_split), PlainSerializer(",".join, return_type=str)]
OpenClose: TypeAlias = Annotated[
    bool, BeforeValidator(_open), PlainSerializer(lambda on: "open" if on else "close", return_type=str)
]
Day: TypeAlias = Annotated[date, BeforeValidator(_day)]  # in Beijing

NotifyMode: TypeAlias = Literal["Finish", "Change", "None"]  # events of a flow: at its end, at each change, never
TaskStatus: TypeAlias = Annotated[  # pages differ in letter case, so any is read
    Literal["WAITING", "PROCESSING", "FINISH"], BeforeValidator(_upper)
]
State: TypeAlias = Annotated[str, BeforeValidator(_upper)]  # in replies: what the service may add is read too

# --- the service's answer to a broken bound

INVALID = 4000  # the gateway's: a parameter is missing, unknown or of the wrong type
ILLEGAL = 1000  # VOD's own: a value that makes no sense, at the actions that document it


def code_for(action: type[Action[Reply]], error: ValidationError) -> int:
    """The code with which the service answers parameters that broke their bounds: that of the first mistake.

    The code that is declared on the parameter counts most. Where none is, a missing or unknown parameter is the
    gateway's business, and any other VOD's own.
    """
    problem = error.errors(include_url=False)[0]
    if code := problem.get("ctx", {}).get("code"):
        return int(code)
    declared = [code for code in codes_at(action, problem["loc"]) if code.on in {"", problem["type"]}]
    if declared:
        return max(declared, key=lambda code: code.on != "").number
    return ILLEGAL if ILLEGAL in action.errors and not _shapeless(problem) else INVALID


def _shapeless(problem: ErrorDetails) -> bool:
    return problem["type"] in {"missing", "extra_forbidden"}


def codes_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[Code]:
    """The codes declared along the way to a parameter, the nearest ones only."""
    found: list[Code] = []
    for step in place:
        if isinstance(step, str):
            field = next((field for name, field in model.model_fields.items() if step in {name, field.alias}), None)
            if field is None:
                break
            facts = [*field.metadata, *facts_of(field.annotation)]
            found = [fact for fact in facts if isinstance(fact, Code)] or found
            model = next((fact for fact in facts if isinstance(fact, type) and issubclass(fact, BaseModel)), model)
    return found


def facts_of(annotation: Any) -> Iterator[Any]:
    """Everything inside an annotation: types, bounds, codes, units."""
    yield annotation
    for inner in get_args(annotation):
        yield from facts_of(inner)
