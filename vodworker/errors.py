"""Every error that travels inside vodworker; foreign ones are translated where they enter.

Pure. Each class says whose fault it is by its place in the tree, and answers `retryable`: whether the same thing, done
again unchanged, can end better.
"""

from collections.abc import Sequence

from vodworker.codes import explain


class VodworkerError(Exception):
    """The root of the tree; its message names the thing, the value and the remedy."""

    retryable = False


class ConfigError(VodworkerError):
    """What the user wrote cannot be used: settings, handlers, command line. Exit code 78.

    `problems` holds every problem found, each a sentence of its own; the message is all of them, a line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(VodworkerError):
    """What a handler needs is not there, though nothing is wrong in what the user wrote. Exit code 1: it may come."""


class JournalError(VodworkerError):
    """The journal cannot do its work; the process ends with exit code 1, for its supervisor to start it again."""


class Deadly(VodworkerError):
    """An entry whose runs have ended their process time and again; it is not run any more."""


class CallError(VodworkerError):
    """A call of an action did not bring a good reply."""

    def __init__(self, action: str, message: str) -> None:
        self.action = action
        super().__init__(f"{action}: {message}")


class InvalidCall(CallError):
    """The parameters broke a bound of the action; nothing was sent."""


class Unreachable(CallError):
    """No reply came: network, timeout, or an HTTP status that is not the service's.

    `sent` is False when the request surely never left, True when the call may have had its effect.
    """

    retryable = True

    def __init__(self, action: str, message: str, *, sent: bool = True) -> None:
        self.sent = sent
        super().__init__(action, message)


class BadReply(CallError):
    """Something came that is not a reply of the service: HTML, truncated JSON, no code. It may have had its effect."""

    retryable = True


class InDoubt(CallError):
    """An earlier run sent the call, and it cannot be told whether it had its effect; it was not sent again."""


class Refused(CallError):
    """The service answered with a code other than 0: it understood the call and did not do it.

    `code` is the service's number, `text` its message as sent, `desc` its codeDesc ("" when missing).
    """

    def __init__(self, action: str, *, code: int, text: str = "", desc: str = "") -> None:
        self.code = code
        self.text = text
        self.desc = desc
        super().__init__(action, f"code {code}{f' {desc}' if desc else ''}: {text or 'no message'}")

    @property
    def retryable(self) -> bool:  # type: ignore[override]  # a class attribute elsewhere, a question to the code here
        """Whether the service may do later what it refuses now."""
        return explain(self.code).retryable


class Overtaken(CallError):
    """Nothing was sent: another worker has the entry by now, and nothing that this run still does will be written."""

    retryable = True


class Denied(Refused):
    """The account, its keys or its clock are not accepted: every call will fail until the operator mends it."""


class Throttled(Refused):
    """The service counted more calls of the action than its ceiling allows."""


class UploadError(VodworkerError):
    """A file did not get into the library.

    `file` is the one that the message is about, `step` is how far it came: read, apply, send or commit.
    """

    def __init__(self, file: str, step: str, message: str, *, retryable: bool = False) -> None:
        self.file = file
        self.step = step
        self.retryable = retryable
        super().__init__(f"{file}: {step}: {message}")


THROTTLED = 4400
DENIED = frozenset({4100, 4101, 4102, 4103, 4104, 4105, 4106, 4110, 4300, 4500})


def refusal(action: str, *, code: int, text: str = "", desc: str = "") -> Refused:
    """The most exact class for a code other than 0."""
    kind = Throttled if code == THROTTLED else Denied if code in DENIED else Refused
    return kind(action, code=code, text=text, desc=desc)
