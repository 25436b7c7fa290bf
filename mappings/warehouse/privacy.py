"""What a site lets into its warehouse: identifiers not at all, hashed or as they are; text or none."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mappings.warehouse.schema import Table

Row = dict[str, Any]


@dataclass(frozen=True)
class Privacy:
    """A site's choice; the default lets nothing through."""

    identifiers: Literal["none", "hashed", "plain"] = "none"
    text: bool = False
    key: bytes = b""
    """Of the hash. The same key gives the same hash, so that a patient's orders can be joined."""

    def __post_init__(self) -> None:
        if self.identifiers == "hashed" and len(self.key) < 16:
            raise ValueError("the key of the hash has at least 16 bytes")

    def applied(self, table: Table, rows: Iterable[Row]) -> list[Row]:
        """The rows with null, a hash or the value in columns of identifiers and text."""
        allow: dict[str, Callable[[Any], Any]] = {
            column.name: {"plain": _kept, "identifier": self._identifier, "text": self._text}[column.kind]
            for column in table.columns
        }
        return [{name: allow[name](value) for name, value in row.items()} for row in rows]

    def _identifier(self, value: Any) -> Any:
        if value is None or self.identifiers == "none":
            return None
        if self.identifiers == "plain":
            return value
        # HMAC-SHA256 (RFC 2104): without the key a short number could be found by trying all of them.
        return hmac.new(self.key, str(value).encode(), hashlib.sha256).hexdigest()

    def _text(self, value: Any) -> Any:
        return value if self.text else None


def _kept(value: Any) -> Any:
    return value
