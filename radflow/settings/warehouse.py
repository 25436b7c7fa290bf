"""Where a site's warehouse is, what is let into it, and how long each stage of an order may take."""

from typing import Literal, Self

from pydantic import Field, model_validator

from mappings.warehouse import Privacy
from radflow.settings.archive_auth import Secret
from radflow.settings.base import ConfigError, Section


class Warehouse(Section):
    """Where parquet files go: a local path or any URL that fsspec knows (`s3://bucket/prefix`)."""

    url: str = ""
    """Empty: `warehouse` under RADFLOW_HOME."""
    identifiers: Literal["none", "hashed", "plain"] = "none"
    """Numbers of patients, orders, studies and messages: left out, as keyed hashes, or as they are."""
    text: bool = False
    """Whether names of procedures, descriptions and the words of reports are let in."""
    hash_key: Secret | None = None
    """The key of the hashes, 16 bytes or more: `{ env = "NAME" }` or `{ file = "…" }`."""

    @model_validator(mode="after")
    def _hashed_with_a_key(self) -> Self:
        if self.identifiers == "hashed" and self.hash_key is None:
            raise ValueError('identifiers = "hashed" needs hash_key, as { env = "WAREHOUSE_KEY" }')
        return self

    def privacy(self) -> Privacy:
        """What of a row is written.

        Raises:
            ConfigError: the key is not there, or too short.
        """
        key = self.hash_key.read().encode() if self.identifiers == "hashed" and self.hash_key else b""
        try:
            return Privacy(self.identifiers, self.text, key)
        except ValueError as error:
            raise ConfigError(f"[warehouse] hash_key: {error}.") from None


class TurnaroundLimit(Section):
    """How long a stage may take (`[[turnaround]]`); the limit that says most of an order holds for it."""

    stage: Literal["worklisted", "acquired", "reported", "published", "total"]
    hours: float = Field(gt=0)
    modality: str = ""
    """Empty: every one."""
    priority: str = ""
    """STAT, HIGH, ROUTINE, MEDIUM, LOW; empty: every one."""


def limit_seconds(
    limits: tuple[TurnaroundLimit, ...], stage: str, modality: str, priority: str
) -> float | None:
    """The limit of this stage for this order; None where there is none. Priority says more than modality."""
    holding = [
        one
        for one in limits
        if one.stage == stage and one.modality in ("", modality) and one.priority in ("", priority)
    ]
    if not holding:
        return None
    return 3600 * max(holding, key=lambda one: (bool(one.priority), bool(one.modality))).hours
