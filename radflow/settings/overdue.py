"""How long an order may wait at a site, and who is told when it waits for longer: docs/overdue.md."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from mappings.overdue import Stage
from radflow.settings.base import Section

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def _in_units(value: Any) -> timedelta:
    spelled = re.fullmatch(r"(\d+(?:\.\d+)?) ?([mhd])", value) if isinstance(value, str) else None
    length = timedelta(**{_UNITS[spelled[2]]: float(spelled[1])}) if spelled else timedelta(0)
    if not length:
        raise ValueError('a time such as "30m", "4h" or "2d" is wanted')
    return length


Duration = Annotated[timedelta, BeforeValidator(_in_units)]
"""Minutes, hours or days, as `"30m"`, `"4h"`, `"2d"`."""


class OverdueLimit(Section):
    """How long a stage may take (`[[overdue]]`). Of several, the first that is for an order holds."""

    stage: Stage
    """What is waited for."""
    modality: str = ""
    """Modality (0008,0060); empty: every one."""
    priority: Literal["", "STAT", "HIGH", "ROUTINE", "MEDIUM", "LOW"] = ""
    """Requested Procedure Priority (0040,1003); empty: every one."""
    after: Duration
    """Then the order is overdue. Images: from the scheduled time; else from when the stage was reached."""
    expires_after: Duration | None = None
    """Then it is closed, counted from the same moment; without it never."""

    @model_validator(mode="after")
    def _expires_later(self) -> Self:
        if self.expires_after is None:
            return self
        if self.stage is Stage.PUBLICATION:
            raise ValueError("what waits for publication is never given up: expires_after is not for it")
        if self.expires_after <= self.after:
            raise ValueError("expires_after is to be longer than after")
        return self

    def covers(self, other: "OverdueLimit") -> bool:
        """Whether it is for every order that the other is for."""
        return (
            self.stage is other.stage
            and self.modality in ("", other.modality)
            and self.priority in ("", other.priority)
        )


class Notify(Section):
    """Who is told (`[notify]`)."""

    block: str = Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$")
    """A notification block in Prefect, `type/name`, as `slack-webhook/ops`."""
    again: Duration = timedelta(days=1)
    """So long after it was told, it is told once more if even more orders are overdue."""
