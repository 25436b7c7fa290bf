"""Turnaround in numbers: counts, medians, 90th percentiles and what is overdue, by stage, day and hour.

Percentiles are of the stages that were reached, by linear interpolation; one that is waited for is counted as
waiting, and as overdue when it has taken longer than it may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from mappings.warehouse.stages import STAGES, TOTAL, Limits, stages_of
from radflow.order import State

MEASURES = ("orders", "waiting", "median_seconds", "p90_seconds", "overdue")
"""Stages reached, stages waited for, their times, and how many of both took or take too long."""
ORDERED = (*STAGES[1:], TOTAL)

_COLUMNS = ("site", "modality", "priority", "stage", "started_at", "seconds", "overdue")


@dataclass(frozen=True)
class Journey:
    """An order as far as its turnaround goes."""

    site: str
    modality: str
    priority: str
    state: State
    reached: Mapping[str, datetime]


def measured(journeys: Iterable[Journey], limits: Limits, now: datetime) -> pd.DataFrame:
    """A row for each stage of each order; `seconds` is NaN while it is waited for."""
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for journey in journeys:
        for stage in stages_of(journey.reached, journey.state):
            limit = limits(stage.name, journey.modality, journey.priority)
            values = (
                journey.site, journey.modality, journey.priority or "-", stage.name, stage.started_at,
                stage.seconds, stage.overdue(limit, now),
            )  # fmt: skip
            for name, value in zip(_COLUMNS, values, strict=True):
                columns[name].append(value)
    frame = pd.DataFrame(columns)
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    frame["seconds"] = frame["seconds"].astype("float64")
    frame["overdue"] = frame["overdue"].astype("bool")
    return frame


def by_stage(stages: pd.DataFrame) -> pd.DataFrame:
    """By site, modality, priority and stage."""
    return _summed(stages, ["site", "modality", "priority", "stage"])


def by_site(stages: pd.DataFrame) -> pd.DataFrame:
    """By site and stage, over all modalities and priorities."""
    return _summed(stages, ["site", "stage"])


def by_day(stages: pd.DataFrame, zone: ZoneInfo) -> pd.DataFrame:
    """By site, stage and the local day on which the stage began."""
    local = stages["started_at"].dt.tz_convert(zone)
    return _summed(stages.assign(day=local.dt.strftime("%Y-%m-%d")), ["site", "stage", "day"])


def by_hour(stages: pd.DataFrame, zone: ZoneInfo) -> pd.DataFrame:
    """By site, stage and the local hour of the day in which the stage began, 0 to 23."""
    local = stages["started_at"].dt.tz_convert(zone)
    return _summed(stages.assign(hour=local.dt.hour), ["site", "stage", "hour"])


def _summed(stages: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    # A day or hour stands after the stage, and the stages stand in their own order.
    ordered = stages.assign(stage=pd.Categorical(stages["stage"], ORDERED, ordered=True))
    groups = ordered.groupby(by, observed=True, sort=True)
    seconds = groups["seconds"]
    table = pd.DataFrame(
        {
            "orders": seconds.count(),
            "waiting": groups.size() - seconds.count(),
            "median_seconds": seconds.median(),
            "p90_seconds": seconds.quantile(0.9),
            "overdue": groups["overdue"].sum(),
        }
    )
    return table.reset_index().astype({"stage": "str"})


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, None where nothing was measured."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): _plain(value) for name, value in row.items()} for row in rows]


def duration(seconds: float | None) -> str:
    """As it is read: `45 s`, `12 min`, `3.2 h`, `4.1 d`; `-` for none."""
    if seconds is None or seconds != seconds:
        return "-"
    for unit, size, digits in (("s", 1.0, 0), ("min", 60.0, 0), ("h", 3600.0, 1)):
        if seconds < size * {"s": 90, "min": 90, "h": 48}[unit]:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} d"


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
