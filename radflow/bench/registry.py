"""What can be measured, and how a measurement is told."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from statistics import linear_regression
from typing import Any

NOISE = 0.15
"""By so much an exponent may be over that of n log n: three sizes on a busy machine say no more."""


@dataclass(frozen=True)
class Result:
    """One measured figure, and a peer's of the same run."""

    case: str
    unit: str
    """Of `ours` and `peer`. Of one that ends in `/s` more is better, of any other one less."""
    ours: float
    peer: float | None = None
    """None where there is no peer, or it is not installed."""
    peer_name: str | None = None
    goal: "Goal | None" = field(default=None, repr=False)

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the peer; None where that cannot be said."""
        if not self.peer or not self.ours:
            return None
        return self.ours / self.peer if self.unit.endswith("/s") else self.peer / self.ours

    def as_dict(self) -> dict[str, object]:
        """As `--json` prints it."""
        return {
            "case": self.case,
            "unit": self.unit,
            "ours": _rounded(self.ours),
            "peer": _rounded(self.peer),
            "peer_name": self.peer_name,
            "ratio": _rounded(self.ratio),
            "goal": self.goal.words if self.goal else None,
            "met": self.goal.is_met(self) if self.goal else None,
        }


@dataclass(frozen=True)
class Goal:
    """What a figure should be."""

    words: str
    is_met: Callable[[Result], bool | None]
    """None where it cannot be said, for want of the peer."""


def times_the_peer(times: float) -> Goal:
    """So many times better than the peer."""
    return Goal(
        f"≥ {times:g}× the peer", lambda result: None if result.ratio is None else result.ratio >= times
    )


def at_most(limit: float) -> Goal:
    """No more than this, in the figure's unit."""
    return Goal(f"≤ {limit:g}", lambda result: result.ours <= limit)


def at_least(limit: float) -> Goal:
    """No less than this, in the figure's unit."""
    return Goal(f"≥ {limit:g}", lambda result: result.ours >= limit)


def growth(what: str, seconds: Mapping[int, float]) -> Result:
    """How the time grows with the size: the exponent k of time ~ size^k, over all the sizes.

    The goal is n log n. Between two sizes that is steeper than n: k = 1 + log(ln b / ln a) / log(b / a).

    Args:
        what: the case.
        seconds: size → time of the whole work of that size. Two sizes at least.
    """
    sizes = [math.log(size) for size in seconds]
    exponent, _ = linear_regression(sizes, [math.log(max(taken, 1e-9)) for taken in seconds.values()])
    first, last = max(min(seconds), 2), max(seconds)
    steepest = 1 + math.log(math.log(last) / math.log(first)) / math.log(last / first) if last > first else 1
    goal = Goal("≤ n log n", lambda result: result.ours <= steepest + NOISE)
    return Result(f"growth: {what}", "exponent", exponent, goal=goal)


@dataclass(frozen=True)
class Place:
    """Where a bench works."""

    folder: Path
    """Empty, and removed afterwards."""
    say: Callable[[str], None]
    """For a person who waits: to standard error."""
    seconds: float = 3.0
    """For which each rate is measured."""
    postgres_url: str = ""
    """A server in which databases may be made; without one a server is started, where it is installed."""


Measure = Callable[[Sequence[int], Place], Iterator[Result]]


@dataclass(frozen=True)
class Bench:
    """Something that can be measured."""

    name: str
    about: str
    size: str
    """Of what there are so many."""
    sizes: tuple[int, ...]
    measure: Measure

    def run(self, sizes: Sequence[int], place: Place) -> dict[str, Any]:
        """Measure, at these sizes or at its own; the object that `--json` prints."""
        results = [result.as_dict() for result in self.measure(tuple(sizes) or self.sizes, place)]
        return {"bench": self.name, "results": results}


_MODULES = ("mllp", "worklist", "sweep", "orders", "legs", "fhir", "backfill", "idle")
_benches: dict[str, Bench] = {}


def bench(name: str, *, size: str, sizes: tuple[int, ...]) -> Callable[[Measure], Measure]:
    """Decorator: this function measures `name`; the first line of its docstring says what."""

    def register(measure: Measure) -> Measure:
        about = (measure.__doc__ or "").strip().splitlines()[0]
        _benches[name] = Bench(name, about, size, sizes, measure)
        return measure

    return register


def all_benches() -> Mapping[str, Bench]:
    """By name. Each module of this package that is named here registers its own."""
    for module in _MODULES:
        import_module(f"radflow.bench.{module}")
    return {name: _benches[name] for name in _MODULES}


def _rounded(value: float | None) -> float | None:
    """Four digits say more than can be measured twice."""
    return value if value is None or not math.isfinite(value) else float(f"{value:.4g}")
