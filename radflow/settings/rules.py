"""What a site writes of its own without Python: filters, routes, identifiers, tables, enrichment; and tasks.

The rules themselves are in `mappings/rules`, where they are also followed.
"""

import re

from pydantic import Field, field_validator

from mappings.rules.code_tables import CodeTable
from mappings.rules.enrichment import Preference
from mappings.rules.patient_identifiers import PatientIdentifiers
from mappings.rules.verdicts import Filter, Route
from radflow.order import FINISHED, State
from radflow.settings.base import Section

__all__ = ["CodeTable", "Enrichment", "Filter", "PatientIdentifiers", "Route", "SiteTask"]

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class Enrichment(Section):
    """`[enrichment]`: what an order takes over from what is known already."""

    patient: Preference = "merge"
    """The order's patient: `merge`, `adt` or `order`."""


class SiteTask(Section):
    """A Python function of the site's own, done as one more step of an order's life."""

    function: str
    """`package.module:function`; it is given the order's key."""
    when: State
    """The state in which it is due, after radflow's own steps."""
    name: str = Field("", pattern=r"^[a-z0-9_]*$")
    """As the order's log and Prefect's UI show it; empty: the function's."""

    @field_validator("function")
    @classmethod
    def _named_by_module(cls, value: str) -> str:
        if not _FUNCTION.fullmatch(value):
            raise ValueError("write it as package.module:function")
        return value

    @field_validator("when")
    @classmethod
    def _not_finished(cls, value: State) -> State:
        if value in FINISHED:
            raise ValueError(f"an order that is {value} has come to its end, nothing is done for it any more")
        return value

    @property
    def step(self) -> str:
        """Its name."""
        return self.name or self.function.rpartition(":")[2].lower()
