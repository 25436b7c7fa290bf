"""The turnaround report: read from the store, in tables."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from mappings import turnaround
from mappings.turnaround import records
from radflow.settings import settings
from radflow.store.engine import store
from radflow.store.turnaround import journeys


@dataclass(frozen=True)
class Report:
    """Turnaround of the orders that were received in a time."""

    since: date | None
    until: date | None
    generated_at: datetime
    stages: pd.DataFrame
    """By site, modality, priority and stage."""
    sites: pd.DataFrame
    """By site and stage."""
    days: pd.DataFrame
    """By site, stage and local day."""
    hours: pd.DataFrame
    """By site, stage and local hour of the day."""

    def as_json(self) -> dict[str, Any]:
        """The tables as lists of rows; times in seconds."""
        return {
            "since": self.since.isoformat() if self.since else None,
            "until": self.until.isoformat() if self.until else None,
            "generated_at": self.generated_at.isoformat(),
            **{name: records(getattr(self, name)) for name in ("sites", "stages", "days", "hours")},
        }


def turnaround_report(site: str, since: date | None, until: date | None, now: datetime) -> Report:
    """The report of one site, or of all for an empty name. Raises ConfigError for one that is not there."""
    sites = [settings().site(site)] if site else list(settings().sites.values())
    tables: dict[str, list[pd.DataFrame]] = {"stages": [], "sites": [], "days": [], "hours": []}
    for one in sites:
        with store().read() as session:
            found = turnaround.measured(
                journeys(session, one.name, one.zone, since, until), one.limit_seconds, now
            )
        tables["stages"].append(turnaround.by_stage(found))
        tables["sites"].append(turnaround.by_site(found))
        tables["days"].append(turnaround.by_day(found, one.zone))
        tables["hours"].append(turnaround.by_hour(found, one.zone))
    return Report(since, until, now, **{name: _together(parts) for name, parts in tables.items()})


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    # An empty part would turn the columns' types into objects.
    filled = [part for part in parts if len(part)] or parts[:1]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
