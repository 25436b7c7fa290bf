"""OperationOutcome (R4 §2.42) as text that may be logged: severity, code and where, never what."""

import re
from collections.abc import Iterator
from typing import Any

_PATH = re.compile(r"[A-Za-z][\w.\[\]]*")
"""A FHIRPath of element names and indices alone; anything else in OperationOutcome may quote the patient."""
_SEVERITIES = frozenset({"fatal", "error", "warning"})
"""Value set issue-severity without `information`, which says that all is well."""
_CODES = frozenset(
    {
        "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired",
        "forbidden", "suppressed", "processing", "not-supported", "duplicate", "multiple-matches",
        "not-found", "deleted", "too-long", "code-invalid", "extension", "too-costly", "business-rule",
        "conflict", "transient", "lock-error", "no-store", "exception", "timeout", "incomplete", "throttled",
    }
)  # fmt: skip
"""Value set issue-type, likewise."""


def issues(outcome: Any) -> str:
    """`error invariant Patient.name[0]; …`; empty where nothing is wrong, or nothing is said."""
    if not isinstance(outcome, dict) or outcome.get("resourceType") != "OperationOutcome":
        return ""
    return "; ".join(
        _issue(one) for one in _list(outcome, "issue") if isinstance(one, dict) and _matters(one)
    )


def _matters(issue: dict[str, Any]) -> bool:
    return issue.get("severity") != "information"


def _issue(issue: dict[str, Any]) -> str:
    words = [word for word in (issue.get("severity"), issue.get("code")) if isinstance(word, str)]
    places = [*_list(issue, "expression"), *_list(issue, "location")]
    paths = [place for place in places if isinstance(place, str) and _PATH.fullmatch(place)]
    return " ".join([*(word for word in words if word in _SEVERITIES | _CODES), *paths])


def _list(value: dict[str, Any], name: str) -> Iterator[Any]:
    found = value.get(name)
    return iter(found) if isinstance(found, list) else iter(())
