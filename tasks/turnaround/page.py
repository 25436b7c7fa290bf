"""The turnaround report as one HTML page that needs nothing else: tables, and pictures inside it."""

from base64 import b64encode
from html import escape
from typing import Any

import pandas as pd

from mappings.turnaround import duration
from tasks.turnaround import Report
from tasks.turnaround.plots import plots

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd }
th { text-align: left } td.number { text-align: right } td.late { color: #b23a48; font-weight: 600 }
img { max-width: 100% }
"""


def page(report: Report) -> str:
    """The page, in UTF-8; it loads nothing from elsewhere."""
    pictures = "\n".join(
        f'<img alt="{escape(name)}" src="data:image/png;base64,{b64encode(png).decode()}">'
        for name, png in plots(report)
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8"><title>Turnaround</title>',
            f"<style>{_STYLE}</style></head><body>",
            "<h1>Turnaround</h1>",
            f"<p>{escape(headline(report))}</p>",
            "<h2>By stage</h2>",
            _table(report.sites),
            "<h2>By modality and priority</h2>",
            _table(report.stages),
            pictures,
            "<h2>By day</h2>",
            _table(report.days),
            "<h2>By hour of the day</h2>",
            _table(report.hours),
            "</body></html>",
        ]
    )


def headline(report: Report) -> str:
    """What the report is of."""
    since, until = report.since or "the first day", report.until or "today"
    return f"Orders received from {since} to {until}, as of {report.generated_at:%Y-%m-%d %H:%M} UTC."


def markdown(report: Report) -> str:
    """The table by stage, for the Prefect UI."""
    head = ["site", "stage", "orders", "waiting", "median", "P90", "overdue"]
    rows = [_cells(row) for row in report.sites.to_dict("records")]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join(["# Turnaround", "", headline(report), "", *lines])


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return "<p>No orders.</p>"
    head = "".join(f"<th>{escape(_HEADS.get(name, name))}</th>" for name in table.columns)
    body = "".join(f"<tr>{_row(row)}</tr>" for row in table.to_dict("records"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_HEADS = {"median_seconds": "median", "p90_seconds": "P90"}


def _row(row: dict[Any, Any]) -> str:
    cells = []
    for name, text in zip(row, _cells(row), strict=True):
        kind = "" if isinstance(row[name], str) else "number"
        kind = "number late" if name == "overdue" and row[name] else kind
        cells.append(f'<td class="{kind}">{escape(text)}</td>')
    return "".join(cells)


def _cells(row: dict[Any, Any]) -> list[str]:
    return [duration(value) if name in _HEADS else str(value) for name, value in row.items()]
