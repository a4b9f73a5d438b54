"""What handlers print is a line of the log, and stdout has nothing else."""

import io
import subprocess
import sys
import threading

import orjson
import pytest

from vodworker.log import bound, setup
from vodworker.printed import Printed, stdout_of_the_log

pytestmark = pytest.mark.usefixtures("logging_restored")


def test_each_printed_line_is_a_line_of_the_log() -> None:
    """A line is told when it ends, with what is bound where it is printed; empty ones are not, threads do not mix."""
    stream = io.BytesIO()
    setup("json", stream=stream)
    printed = Printed()

    with bound(handler="hear"):
        print("one", 1, file=printed)
        print("two\n\nthree", file=printed, end="")
    other = threading.Thread(target=print, args=("four",), kwargs={"file": printed})
    other.start()
    other.join()
    print(file=printed)

    assert printed.writable()
    assert [("one 1", "hear"), ("two", "hear"), ("four", None), ("three", None)] == [
        (line["message"], line.get("handler")) for line in map(orjson.loads, stream.getvalue().splitlines())
    ]


def test_stdout_is_the_logs_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """What is printed is logged, what a program prints goes to stderr; afterwards all is as before."""
    with stdout_of_the_log() as stream:
        setup("json", stream=stream)
        print("inside")  # noqa: T201  # what it is about
        subprocess.run([sys.executable, "-c", "print('from a program')"], check=True)
    print("afterwards")  # noqa: T201  # as above
    sys.stdout.flush()

    out, err = capfd.readouterr()
    logged, after = out.splitlines()
    assert ("handler.printed", "inside", "afterwards", "from a program\n") == (
        *map(orjson.loads(logged).get, ("event", "message")),
        after,
        err,
    )
