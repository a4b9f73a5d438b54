"""The measurements in turn; `python -m bench NAME…` makes these alone, `python -m bench --list` says what there is.

Each is a module or package of this one, can be run by itself (`python -m bench.NAME --help`), and ends with 0 only if
what it measured is what is promised.
"""

import argparse
import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
LONG = frozenset({"ceilings", "flat", "growing", "replicas", "soak", "throughput"})  # each takes many minutes


def found() -> dict[str, str]:
    """The measurements by name, each with the first line of its docstring; nothing is imported for it."""
    rooms = (it for it in pkgutil.iter_modules([str(HERE)]) if not it.name.startswith("_"))
    files = {it.name: HERE / it.name / "__init__.py" if it.ispkg else HERE / f"{it.name}.py" for it in rooms}
    return {
        name: str(ast.get_docstring(ast.parse(file.read_text("utf-8")))).splitlines()[0] for name, file in files.items()
    }


def main() -> int:
    """Make them; the number of those that failed."""
    known = found()
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all that take minutes, if none is given")
    parser.add_argument("--long", action="store_true", help="without a NAME: the long ones, too")
    parser.add_argument("--list", action="store_true", help="say what there is")
    asked = parser.parse_args()
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"{', '.join(unknown)}: there are {', '.join(known)}")
    if asked.list:
        for name, line in known.items():
            print(f"{name:12} {line}")  # noqa: T201  # this is what it is for
        return 0
    codes = [
        subprocess.run([sys.executable, "-m", f"bench.{name}"], check=False).returncode  # noqa: S603  # our own modules
        for name in asked.names or [name for name in known if asked.long or name not in LONG]
    ]
    return sum(code != 0 for code in codes)


if __name__ == "__main__":
    sys.exit(main())
