"""What the source says of a model's fields: the text under each, as an editor shows it. Read only when asked for."""

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from pydantic import BaseModel

OURS = "vodworker."


def documented(model: type[BaseModel]) -> dict[str, str]:
    """The texts under a model's fields, by the fields' names; a nearer class says more than those that it extends."""
    texts: dict[str, str] = {}
    for family in reversed(model.__mro__):
        if family.__module__.startswith(OURS):
            texts |= _texts(family.__module__).get(family.__name__, {})
    return {name: text for name, text in texts.items() if name in model.model_fields}


@cache
def _texts(module: str) -> dict[str, dict[str, str]]:
    """The texts under all fields of a module's classes."""
    classes = ast.parse(inspect.getsource(sys.modules[module])).body
    return {each.name: dict(_fields(each)) for each in classes if isinstance(each, ast.ClassDef)}


def _fields(model: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, text in pairwise(model.body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, " ".join(words.split())
            case _:
                pass
