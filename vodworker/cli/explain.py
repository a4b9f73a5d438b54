"""`vodworker explain`: an error code in words."""

import dataclasses
from pathlib import Path

import click

from vodworker import codes
from vodworker.cli.ends import Failed
from vodworker.cli.manners import print_json, read_what_can_be, with_config
from vodworker.codes import Explanation, Fault, Language

LABELS: dict[Language, tuple[str, ...]] = {
    "en": ("where", "why", "fault", "again", "do"),
    "zh": ("环节", "原因", "责任", "重试", "处理"),
}
FAULTS: dict[Language, dict[Fault, str]] = {
    "en": {
        Fault.SOURCE: "the source file's",
        Fault.REQUEST: "the request's",
        Fault.ACCOUNT: "the account's",
        Fault.SERVICE: "the service's",
        Fault.UNKNOWN: "not known",
    },
    "zh": {
        Fault.SOURCE: "源文件",
        Fault.REQUEST: "请求",
        Fault.ACCOUNT: "账号",
        Fault.SERVICE: "云服务",
        Fault.UNKNOWN: "未知",
    },
}
AGAIN: dict[Language, dict[bool, str]] = {
    "en": {True: "the same, done again, can end better", False: "the same, done again, ends the same"},
    "zh": {True: "原样重试可能成功", False: "原样重试无效"},
}


@with_config
@click.command(
    context_settings={"ignore_unknown_options": True},  # most codes of tasks are negative
    epilog="Examples: vodworker explain 4100, vodworker explain -46204 --language zh",
)
@click.argument("code", type=int)
@click.option("--language", type=click.Choice(["en", "zh"]), help="Without it, as the setting log.language.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(*, code: int, language: Language | None, as_json: bool, config: Path | None) -> None:
    """Say what an error code means.

    The code of a call, a task or a sub-task: where it arises, why, whose fault it is, whether trying again can help,
    and what to do. Exit code 1 when no document of the service has it.
    """
    language = language or read_what_can_be(config).settings.log.language
    explanation = codes.explain(code, language=language)
    if as_json:
        print_json(dataclasses.asdict(explanation))
    else:
        for label, words in zip(LABELS[language], sayings(explanation, language), strict=True):
            click.echo(f"{label:<6}{words}")
    if not explanation.known:
        raise Failed(f"{code} is in no document of the service")


def sayings(explanation: Explanation, language: Language) -> tuple[str, ...]:
    """The words for each label."""
    return (
        explanation.stage,
        explanation.cause,
        FAULTS[language][explanation.fault],
        AGAIN[language][explanation.retryable] if explanation.known else FAULTS[language][Fault.UNKNOWN],
        explanation.remedy,
    )
