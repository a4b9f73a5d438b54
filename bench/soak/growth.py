"""Samples of what must not grow, and whether it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

SLACK = 1.15  # a last quarter this much above the second one is noise: the first quarter fills caches and windows
SPARE = {"descriptors": 4.0, "tasks": 8.0, "objects": 200.0, "rss": 4.0, "journal": 1.0}  # … and so is so much more


@dataclass(slots=True)
class Series:
    """Samples in the order they were taken; a sample has a number for each name."""

    samples: list[Mapping[str, float]] = field(default_factory=list[Mapping[str, float]])

    def quarter(self, name: str, number: int) -> float:
        """The median of this quarter, from 1 to 4."""
        size = len(self.samples) // 4
        return median(it[name] for it in self.samples[(number - 1) * size : number * size or None])

    def grown(self) -> list[str]:
        """What is higher in the last quarter than in the second, in words."""
        found: list[str] = []
        for name in self.samples[0]:
            before, after = self.quarter(name, 2), self.quarter(name, 4)
            if after > before * SLACK + SPARE.get(name, 0.0):
                found.append(f"{name} grew from {before:g} to {after:g}")
        return found

    def told(self) -> list[tuple[str, float, float, float, float]]:
        """Each name with the medians of its quarters."""
        return [
            (name, self.quarter(name, 1), self.quarter(name, 2), self.quarter(name, 3), self.quarter(name, 4))
            for name in self.samples[0]
        ]


def differing(counts: Mapping[str, float], *, of: float) -> list[str]:
    """Which of these counts are not what they must be, in words."""
    return [f"{name}: {count:g} and not {of:g}" for name, count in counts.items() if count != of]


def descriptors(process: int | str = "self") -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{process}/fd").iterdir())


def size(folder: Path) -> float:
    """MB of the journal in this folder."""
    return round(sum(file.stat().st_size for file in folder.glob("*.db*")) / 1e6, 2)
