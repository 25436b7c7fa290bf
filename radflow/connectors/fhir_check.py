"""Is a transaction valid? What fhir.resources checks, and what it leaves: codes and reference targets."""

from collections.abc import Iterator
from typing import Any, Literal

from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4B
from pydantic import ValidationError

from radflow.connectors.fhir.errors import FhirInvalid
from radflow.connectors.fhir_rules import broken_rules

_MODELS = {"R4": BundleR4B, "R5": BundleR5}
"""R4B is the version that the library has nearest to R4; these resources are the same in both."""


def check(bundle: dict[str, Any], version: Literal["R4", "R5"] = "R4") -> None:
    """Accept a valid transaction.

    Raises:
        FhirInvalid: it is not; the text says where.
    """
    problems = list(_problems(bundle, _MODELS[version]))
    if problems:
        raise FhirInvalid(f"not valid FHIR {version}: " + "; ".join(problems))


def _problems(bundle: dict[str, Any], model: Any) -> Iterator[str]:
    try:
        parsed = model.model_validate(bundle)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['type']}"
        return
    types = {entry.get("fullUrl"): entry["resource"]["resourceType"] for entry in bundle.get("entry", [])}
    for entry, sent in zip(parsed.entry or [], bundle.get("entry", []), strict=True):
        yield from broken_rules(entry.resource, sent["resource"]["resourceType"], types)
