"""Identifiers, their systems, and the URL that finds a resource by one."""

from urllib.parse import parse_qs

import pytest

from mappings.fhir.identifiers import (
    identifier,
    order_identifiers,
    own_identifier,
    search_by_identifier,
    system_uri,
)
from radflow.model import Identifier
from tests.builders import an_order


@pytest.mark.parametrize(
    ("assigner", "base", "uri"),
    [
        ("1.2.276.0.76", "urn:radflow", "urn:oid:1.2.276.0.76"),
        ("https://hosp.example/mrn", "urn:radflow", "https://hosp.example/mrn"),
        ("EHR", "urn:radflow", "urn:radflow:EHR"),
        ("EHR", "https://hosp.example/ids/", "https://hosp.example/ids/EHR"),
        ("My Lab", "urn:radflow", "urn:radflow:My%20Lab"),
        ("", "urn:radflow", None),
    ],
)
def test_who_assigns_becomes_a_uri(assigner: str, base: str, uri: str | None) -> None:
    """OIDs and URIs stay what they are; a local name is put under the site's base."""
    assert system_uri(assigner, base) == uri


def test_without_an_assigner_each_type_has_a_system_of_its_own() -> None:
    """Placer number 1 and filler number 1 of unnamed assigners are not the same thing."""
    one = Identifier(value="1")
    assert identifier(one, "PLAC", "urn:x")["system"] != identifier(one, "FILL", "urn:x")["system"]


def test_only_the_numbers_that_the_order_has() -> None:
    """An order without a filler order number has placer and accession number."""
    given = order_identifiers(an_order(), "urn:x")
    assert [one["type"]["coding"][0]["code"] for one in given] == ["PLAC", "ACSN"]


def test_our_own_names_have_nothing_in_them_that_separates_tokens() -> None:
    """A server that does not understand escapes in a search finds them all the same."""
    assert own_identifier("x", "a|b,c$d%e\\f\x00", "urn:r")["value"] == "a%7Cb%2Cc%24d%25e%5Cf"


def test_the_url_escapes_what_separates_tokens() -> None:
    """A number with `|`, `,`, `&` or a space is still found, and only it."""
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "4|7,1 &x"}]}
    resource_type, _, query = search_by_identifier(resource).partition("?")
    assert resource_type == "Patient"
    assert parse_qs(query) == {"identifier": [r"urn:x|4\|7\,1 &x"]}
