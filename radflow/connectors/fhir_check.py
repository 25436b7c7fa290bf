"""Is a transaction valid R4? What fhir.resources checks, and what it leaves: codes and reference targets."""

from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from radflow.connectors.fhir.errors import FhirInvalid
from radflow.connectors.fhir_rules import broken_rules


def check(bundle: dict[str, Any]) -> None:
    """Accept a valid transaction.

    Raises:
        FhirInvalid: it is not; the text says where.
    """
    problems = list(_problems(bundle))
    if problems:
        raise FhirInvalid("not valid FHIR R4: " + "; ".join(problems))


def _problems(bundle: dict[str, Any]) -> Iterator[str]:
    try:
        # R4B is the version that the library has nearest to R4; these resources are the same in both.
        parsed = Bundle.model_validate(bundle)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            yield f"{'.'.join(map(str, problem['loc']))}: {problem['type']}"
        return
    types = {entry.get("fullUrl"): entry["resource"]["resourceType"] for entry in bundle.get("entry", [])}
    for entry, sent in zip(parsed.entry or [], bundle.get("entry", []), strict=True):
        yield from broken_rules(entry.resource, sent["resource"]["resourceType"], types)
