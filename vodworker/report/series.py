"""Numbers over time and spans of time, in memory that does not grow with what is counted. Pure."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import add
from typing import TypeAlias

MOST = 600  # buckets in a series: as many as a plot has room for
STEP = 1.05  # between two buckets of a histogram: quantiles are right to 5 %

Merge: TypeAlias = Callable[[float, float], float]


@dataclass(slots=True)
class Timeline:
    """Several series over one time, cut into equal buckets. When they become too many, each two become one.

    Times may come in any order. kinds: how two numbers of one bucket become one, by the name of the series.
    """

    kinds: dict[str, Merge]
    width: float = 1.0
    series: dict[str, dict[int, float]] = field(default_factory=dict[str, dict[int, float]])
    first: int | None = None
    last: int = 0

    def add(self, name: str, at: float, value: float = 1.0) -> None:
        """Put a number into the bucket of its time."""
        bucket = math.floor(at / self.width)
        if self.first is None:
            self.first = self.last = bucket
        elif not self.first <= bucket <= self.last:
            self.first, self.last = min(self.first, bucket), max(self.last, bucket)
            while self.last - self.first >= MOST:
                self._widen()
            bucket = math.floor(at / self.width)
        self._put(self.series.setdefault(name, {}), name, bucket, value)

    def _put(self, buckets: dict[int, float], name: str, bucket: int, value: float) -> None:
        merge: Merge = self.kinds.get(name.partition(" ")[0], add)
        buckets[bucket] = merge(buckets[bucket], value) if bucket in buckets else value

    def _widen(self) -> None:
        self.width *= 2
        assert self.first is not None  # noqa: S101  # there is something to widen
        self.first, self.last = self.first // 2, self.last // 2
        for name, narrow in self.series.items():
            wide: dict[int, float] = {}
            for bucket, value in narrow.items():
                self._put(wide, name, bucket // 2, value)
            self.series[name] = wide

    @property
    def span(self) -> tuple[float, float]:
        """From the beginning of the first bucket to that of the last, at least one apart."""
        first = (self.first or 0) * self.width
        return first, max(self.last * self.width, first + self.width)

    def points(self, name: str, *, empty: float | None = None) -> Iterator[tuple[float, float]]:
        """Time (of a bucket's beginning) and number, in order; `empty` stands in for buckets that have none."""
        buckets = self.series.get(name, {})
        if self.first is None:
            return
        for bucket in range(self.first, self.last + 1):
            value = buckets.get(bucket, empty)
            if value is not None:
                yield bucket * self.width, value


@dataclass(slots=True)
class Spread:
    """How a quantity is spread: its count, its largest and smallest, and its quantiles to 5 %."""

    count: int = 0
    least: float = math.inf
    most: float = -math.inf
    sum: float = 0.0
    _buckets: dict[int, int] = field(default_factory=dict[int, int])

    def add(self, value: float) -> None:
        """Count a value."""
        self.count += 1
        self.sum += value
        self.least, self.most = min(self.least, value), max(self.most, value)
        bucket = math.ceil(math.log(max(value, 1e-6), STEP))
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1

    def quantile(self, part: float) -> float:
        """The value that this part of all is not above; 0 when there are none."""
        left = part * self.count
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return max(self.least, min(self.most, STEP**bucket))
        return 0.0 if self.count == 0 else self.most
