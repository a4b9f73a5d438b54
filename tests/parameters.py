"""Parameters as hypothesis builds them, out of nothing but the declarations of the actions."""

import operator
from collections.abc import Sequence
from datetime import date
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from hypothesis import reject
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from vodworker.api.action import Action, Group
from vodworker.api.bounds import AnyOf, Ceiling, Octets
from vodworker.wire import flatten

Strategy = st.SearchStrategy[Any]


def wired(params: Group) -> dict[str, str]:
    """Parameters as the client sends them."""
    return flatten(params.model_dump(by_alias=True, exclude_none=True, mode="json"))


def anything(annotation: Any, facts: Sequence[Any] = ()) -> Strategy:
    """Values that a declaration allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [fact for each in arguments[1:] for fact in (each.metadata if isinstance(each, FieldInfo) else [each])]
        return anything(arguments[0], [*inner, *facts])
    if origin in {Union, UnionType}:
        present = [each for each in arguments if each is not type(None)]
        return st.one_of(st.none(), *(anything(each, facts) for each in present))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is Sequence:
        most = min([3, *(fact.max_length for fact in facts if isinstance(fact, MaxLen))])
        return st.lists(anything(arguments[0]), min_size=1, max_size=most).map(tuple)
    if annotation in {int, float}:
        return number(annotation, facts)
    if annotation is str:
        return text(facts)
    if annotation is date:
        return st.dates(date(1970, 1, 1), date(2099, 12, 31))
    if issubclass(annotation, Group):
        return built(annotation)
    return st.booleans() if annotation is bool else st.sampled_from(annotation)  # the rest are enumerations


def number(kind: type, facts: Sequence[Any]) -> Strategy:
    """Numbers within their bounds."""
    for fact in facts:
        if isinstance(fact, AnyOf):
            return st.sampled_from([*fact.numbers, *(-each for each in fact.numbers if fact.negatives)])
        if isinstance(fact, Ceiling):
            one = between(kind, fact.least, fact.most)
            return one | one.map(operator.neg) | (st.just(0) if fact.zero else st.nothing())
    bounds: list[Any] = [fact.ge for fact in facts if isinstance(fact, Ge)]
    ceilings: list[Any] = [fact.le for fact in facts if isinstance(fact, Le)]
    return between(kind, max([-(2**40), *bounds]), min([2**40, *ceilings]))


def between(kind: type, least: float, most: float) -> Strategy:
    """Numbers of a kind, both bounds included."""
    return st.integers(int(least), int(most)) if kind is int else st.floats(least, most)


def text(facts: Sequence[Any]) -> Strategy:
    """Texts within their bounds."""
    pattern = next((found for fact in facts if (found := getattr(fact, "pattern", None))), None)
    if pattern:
        return st.from_regex(pattern, fullmatch=True)
    least = max([0, *(fact.min_length for fact in facts if isinstance(fact, MinLen))])
    octets = min([40, *(fact.most for fact in facts if isinstance(fact, Octets))])
    return st.text(st.characters(codec="utf-8"), min_size=least, max_size=octets // 4)


@st.composite
def built(draw: st.DrawFn, model: type[Group]) -> Group:
    """Parameters that keep every rule, those about several of them too, and leave a trace on the wire."""
    for _ in range(20):
        values = {
            name: draw(anything(field.annotation, field.metadata))
            for name, field in model.model_fields.items()
            if field.is_required() or draw(st.booleans())
        }
        try:
            params = model.model_validate({name: value for name, value in values.items() if value is not None})
        except ValidationError as error:
            if {"rule"} != {problem["type"] for problem in error.errors()}:
                raise
        else:
            if issubclass(model, Action) or wired(params):
                return params
    return reject()
