"""What fhir.resources knows of a resource and does not enforce: required codes, types of reference targets.

Its models name both in each field's schema; here they are read from there, for whatever resource it is.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from fhir.resources.R4B import get_fhir_model_class
from pydantic import BaseModel

_CUT_OFF = "+"
"""The models hold the codes of the specification's summary, which ends like this where there are more."""

_WHOLE_VALUE_SETS = {
    ("Encounter", "status"): frozenset(
        {
            "planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled",
            "entered-in-error", "unknown",
        }
    ),
    ("DiagnosticReport", "status"): frozenset(
        {
            "registered", "partial", "preliminary", "final", "amended", "corrected", "appended", "cancelled",
            "entered-in-error", "unknown",
        }
    ),
    ("Observation", "status"): frozenset(
        {
            "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error",
            "unknown",
        }
    ),
}  # fmt: skip
"""R4: encounter-status, diagnostic-report-status, observation-status."""


class _Field(NamedTuple):
    name: str
    element: str
    """As it is called in JSON."""
    codes: frozenset[str] | None
    targets: frozenset[str] | None


def required_codes(resource_type: str, element: str) -> frozenset[str]:
    """The codes of an element with a required binding. Raises KeyError where it has none."""
    for field in _fields(get_fhir_model_class(resource_type)):
        if field.element == element and field.codes:
            return field.codes
    raise KeyError(f"{resource_type}.{element}")


def broken_rules(value: Any, path: str, types: Mapping[str, str]) -> Iterator[str]:
    """Where codes or references inside a parsed resource are wrong.

    Args:
        value: a model of fhir.resources, or a list of them.
        path: of the value, as in `ServiceRequest`.
        types: `fullUrl` of each entry of the bundle → its type.
    """
    if isinstance(value, list):
        for part in value:
            yield from broken_rules(part, path, types)
    if not isinstance(value, BaseModel):
        return
    for field in _fields(type(value)):
        part = getattr(value, field.name, None)
        if part is None:
            continue
        here = f"{path}.{field.element}"
        yield from _problems(field, part, here, types)
        yield from broken_rules(part, here, types)


def _problems(field: _Field, part: Any, path: str, types: Mapping[str, str]) -> Iterator[str]:
    for one in part if isinstance(part, list) else [part]:
        if field.codes and one not in field.codes:
            yield f"{path}: not a code of the required value set"
        if field.targets and not _leads_to(_reference(one), field.targets, types):
            yield f"{path}: not a reference to {' or '.join(sorted(field.targets))}"


def _reference(value: Any) -> Any:
    """A Reference; of a CodeableReference (R5) the one in it, None where it is a concept alone."""
    return value.reference if value.get_resource_type() == "CodeableReference" else value


def _leads_to(reference: Any, targets: frozenset[str], types: Mapping[str, str]) -> bool:
    """By `fullUrl` of an entry, by a relative or conditional URL, or by Reference.type."""
    if reference is None:
        return True
    url = reference.reference
    if url is None:
        # An identifier alone may be that of anything, where anything may be referred to.
        target = reference.type or ("Resource" if reference.identifier else None)
    else:
        target = types.get(url) if url.startswith("urn:") else url.partition("?")[0].split("/")[-2:][0]
    if target is None:
        return _names_nothing(reference)
    return target in targets or "Resource" in targets


def _names_nothing(reference: Any) -> bool:
    """Words alone: whatever they mean, they lead nowhere."""
    return not (reference.reference or reference.type or reference.identifier)


@cache
def _fields(model: type[BaseModel]) -> tuple[_Field, ...]:
    return tuple(
        _Field(name, field.alias or name, _codes_of(model, field.alias or name, field), _targets_of(field))
        for name, field in model.model_fields.items()
        if not name.endswith("__ext")
    )


def _codes_of(model: Any, element: str, field: Any) -> frozenset[str] | None:
    codes = (field.json_schema_extra or {}).get("enum_values")
    if codes and _CUT_OFF in codes:
        return _WHOLE_VALUE_SETS.get((model.get_resource_type(), element))
    return frozenset(codes) if codes else None


def _targets_of(field: Any) -> frozenset[str] | None:
    targets = (field.json_schema_extra or {}).get("enum_reference_types")
    return frozenset(targets) if targets else None
