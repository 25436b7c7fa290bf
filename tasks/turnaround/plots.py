"""The turnaround report in pictures: PNG by matplotlib, without a display."""

from collections.abc import Iterator
from io import BytesIO

import pandas as pd
from matplotlib.figure import Figure

from mappings.turnaround import ORDERED
from tasks.turnaround import Report

_MEDIAN, _P90 = "#1f6f8b", "#e08e45"


def plots(report: Report) -> Iterator[tuple[str, bytes]]:
    """Name and PNG: of each site its stages by modality, by day and by hour of the day."""
    for site in dict.fromkeys(report.sites["site"]) if len(report.sites) else ():
        yield f"{site}-modalities", _modalities(site, _of(report.stages, site))
        yield f"{site}-days", _course(f"{site}: by day", _of(report.days, site), "day")
        yield f"{site}-hours", _course(f"{site}: by hour of the day", _of(report.hours, site), "hour")


def _of(table: pd.DataFrame, site: str) -> pd.DataFrame:
    return table[table["site"] == site]


def _modalities(site: str, table: pd.DataFrame) -> bytes:
    """A panel a stage: median and P90 of each modality and priority, in hours, and how many are overdue."""
    stages = [stage for stage in ORDERED if stage in set(table["stage"])]
    figure = Figure(figsize=(3.4 * max(1, len(stages)), 4), layout="constrained")
    figure.suptitle(f"{site}: by modality and priority")
    for panel, stage in zip(figure.subplots(1, len(stages), squeeze=False)[0], stages, strict=True):
        rows = table[table["stage"] == stage]
        places = range(len(rows))
        panel.barh(places, rows["p90_seconds"] / 3600, color=_P90, label="P90")
        panel.barh(places, rows["median_seconds"] / 3600, height=0.4, color=_MEDIAN, label="median")
        labels = [f"{row.modality} {row.priority}" for row in rows.itertuples()]
        panel.set_yticks(list(places), labels, fontsize=7)
        for place, late in zip(places, rows["overdue"], strict=True):
            if late:
                panel.annotate(f" {late} overdue", (0, place), fontsize=6, color="white", va="center")
        panel.set_title(stage)
        panel.set_xlabel("hours")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _png(figure)


def _course(title: str, table: pd.DataFrame, by: str) -> bytes:
    """A panel a stage: median and P90 in hours above, how many orders below the line."""
    stages = [stage for stage in ORDERED if stage in set(table["stage"])]
    figure = Figure(figsize=(9, 2.2 * max(1, len(stages))), layout="constrained")
    figure.suptitle(title)
    for panel, stage in zip(figure.subplots(len(stages), 1, squeeze=False)[:, 0], stages, strict=True):
        rows = table[table["stage"] == stage]
        at = rows[by] if by == "hour" else pd.to_datetime(rows[by])
        counts = panel.twinx()
        counts.bar(at, rows["orders"], color="#d5dde0", label="orders")
        counts.set_ylabel("orders", fontsize=7)
        panel.set_zorder(1)
        panel.patch.set_visible(False)
        panel.plot(at, rows["median_seconds"] / 3600, marker=".", color=_MEDIAN, label="median")
        panel.plot(at, rows["p90_seconds"] / 3600, marker=".", color=_P90, label="P90")
        panel.set_ylabel("hours", fontsize=7)
        panel.set_title(stage, fontsize=9)
        panel.tick_params(labelsize=7)
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
