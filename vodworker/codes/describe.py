"""The reference page of the error codes, from their table."""

from collections.abc import Iterator

from vodworker.codes import TABLE, explain
from vodworker.codes.words import Said

HEAD = """\
# Error codes

Every code that the service is known to answer a call with, or to end a task with; from the tables in `vodworker/codes`,
written by `make docs`. `vodworker explain CODE` tells the same, and handlers ask `vodworker.codes.explain`.

*Fault* says who has to do something: the owner of the source file, the author of the request, the holder of the account
(keys, rights, ceilings, money), or the service. *Again* says whether the same thing, done again unchanged, may end
better; retries go by it.
"""


def page() -> str:
    """The reference in Markdown, in both languages, by where a code comes from."""
    stages: dict[Said, list[int]] = {}
    for code, entry in TABLE.items():
        stages.setdefault(entry.stage, []).append(code)
    return HEAD + "".join(line for stage, codes in stages.items() for line in section(stage, codes))


def section(stage: Said, codes: list[int]) -> Iterator[str]:
    """The codes of one stage."""
    yield f"\n## {stage.en[0].upper()}{stage.en[1:]} · {stage.zh}\n\n"
    yield "| code | fault | again | why | what to do |\n|---|---|---|---|---|\n"
    for code in codes:
        en, zh = explain(code), explain(code, language="zh")
        again = "yes" if en.retryable else "no"
        yield f"| `{code}` | {en.fault} | {again} | {en.cause}<br>{zh.cause} | {en.remedy}<br>{zh.remedy} |\n"
