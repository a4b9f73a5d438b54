"""How the service says no: a code, and words of our own."""

from vodworker.errors import VodworkerError


class Refusal(VodworkerError):
    """The call is answered with this code; nothing else comes of it."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"({code}) {text}")

    @property
    def desc(self) -> str:
        """The service's `codeDesc`."""
        return DESCRIPTIONS.get(self.code, "OperationFailed")


PARAMETER = 4000
SIGNATURE = 4100
SECRET_ID = 4104
TOKEN = 4105
CEILING = 4400
REPLAY = 4500
ILLEGAL = 1000
TOO_MANY_PULLS = 1018
NO_WATERMARK = 1163
DEFAULT_CLASS = 1903
MISSING_CLASS = 1905
MISSING_FILE = 10008
BAD_FILE = 10009  # "state abnormal": what actions say of a missing file that do not know 10008
SAME_FLOW = 50005
BAD_PROCEDURE = 50007
BAD_SOURCE = 30009  # of sub-tasks: the source is abnormal
MISSING_TASK = 70014
RUNNING_TASK = 70034
MISSING_TEMPLATE = 10704
WATERMARKS_FULL = 10706
BAD_DEFINITION = 10735
WATERMARK_URL = 10801
WATERMARK_DEFINITION = 10807
BAD_HOST = 17010
SESSION_KEY = 31001
MISSING_OBJECT = 31003
ACTION = 6100  # "not supported here": the code that the service advises to check the host and the action for

DESCRIPTIONS = {
    PARAMETER: "InvalidParameter",
    SIGNATURE: "AuthFailure",
    SECRET_ID: "SecretIdNotFound",
    TOKEN: "TokenFailure",
    CEILING: "RequestLimitExceeded",
    REPLAY: "ReplayAttack",
    ACTION: "UnsupportedOperation",
}
