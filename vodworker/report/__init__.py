"""What a log says happened: read line by line in bounded memory, summed up, told on a terminal or as one page."""

from vodworker.report.read import STDIN, Line, Source, lines, sources
from vodworker.report.tally import Tally

__all__ = ["STDIN", "Line", "Source", "Tally", "lines", "sources"]
