"""Filters and routes: which messages a site takes, and to whom it passes them on."""

from typing import Any

import pytest
from pydantic import ValidationError

from mappings.hl7.reader import Hl7Message
from mappings.rules.conditions import Condition
from mappings.rules.verdicts import Filter, Route, destinations_of, filtered_by
from tests.hl7_builders import an_orm, message, segment

ORM = Hl7Message(an_orm(changes={"PID": {3: "4711^^^HOSP~99^^^NATION"}, "PV1": {}}))
TWO_ORDERS = Hl7Message(
    message(
        "ORM^O01^ORM_O01", "M1",
        segment("OBR", {4: "CTCHEST^CT chest^L"}), segment("OBR", {4: "MRBRAIN^MR brain^L"}),
    )
)  # fmt: skip


def condition(**content: Any) -> Condition:
    return Condition.model_validate(content)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({}, True),
        ({"MSH-9": "ORM^O01"}, True),
        ({"MSH-9": "ORM^*", "MSH-4": "HOSPITAL"}, True),
        ({"MSH-9": "ORM^O01", "MSH-4": "OTHER"}, False),
        ({"MSH-4": ["OTHER", "HOSP*"]}, True),
        ({"OBR-4": "CT*"}, True),
        ({"OBR-4.2": "CT chest"}, True),
        ({"OBR-4.2": "ct chest"}, False),
        ({"OBR-24": "C?"}, True),
        ({"OBR-24": "[MX]R"}, False),
        ({"PID-3.4": "NATION"}, True),
        ({"PV1-2": ""}, True),
        ({"OBR-24": ""}, False),
        ({"not": {"MSH-4": "OTHER"}}, True),
        ({"OBR-24": "CT", "not": {"OBR-4": "CT*"}}, False),
        ({"not": {"MSH-4": "HOSPITAL", "OBR-24": "MR"}}, True),
    ],
)
def test_condition(when: dict[str, Any], holds: bool) -> None:
    """All paths hold; of a list one; any repetition; wildcards; what is not sent is empty; not."""
    assert Condition.model_validate(when).holds(ORM) is holds


@pytest.mark.parametrize("code", ["CTCHEST", "MRBRAIN"])
def test_any_of_several_segments_may_match(code: str) -> None:
    """A message of two orders is one for each of their procedures."""
    assert Condition.model_validate({"OBR-4": code}).holds(TWO_ORDERS)


@pytest.mark.parametrize("path", ["OBR4", "OBR-0", "obr-4", "OBR-4.0", "OBR-4.1.1.1", "OBR", "OBRX-4", ""])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    """When the rule is written, and not when a message comes."""
    with pytest.raises(ValidationError, match="is no HL7 path"):
        Condition.model_validate({path: "X"})


@pytest.mark.parametrize("value", [[], 1, {"X": "Y"}, [1]])
def test_a_value_that_is_none_is_refused(value: object) -> None:
    """A value is a text or a list of texts, and an empty list would never hold."""
    with pytest.raises(ValidationError):
        Condition.model_validate({"OBR-4": value})


def a_filter(name: str, action: str, **when: Any) -> Filter:
    return Filter.model_validate({"name": name, "action": action, "when": when})


def test_the_first_filter_that_holds_decides() -> None:
    """One that keeps stands before one that drops more; without any, a message is taken."""
    keeps = a_filter("CT", "keep", **{"OBR-24": "CT"})
    drops = a_filter("all orders", "drop", **{"MSH-9": "ORM^*"})
    assert filtered_by(ORM, [drops, keeps]) is drops
    assert filtered_by(ORM, [keeps, drops]) is None
    assert filtered_by(ORM, []) is None


def test_every_route_that_holds_adds_its_destinations() -> None:
    """Each destination is named once, in the order of the routes."""
    routes = [
        Route(name="all", to=("archive",)),
        Route(name="mr", to=("mr-ward",), when=Condition.model_validate({"OBR-24": "MR"})),
        Route(name="ct", to=("ris", "archive"), when=Condition.model_validate({"OBR-24": "CT"})),
    ]
    assert destinations_of(ORM, routes) == ["archive", "ris"]
    assert destinations_of(ORM, []) == []
