"""Whether a site takes a message at all (filters), and to whom it is passed on (routes)."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from mappings.hl7.reader import Hl7Message
from mappings.rules.conditions import EVERY_MESSAGE, Condition
from radflow.model import Value

Name = Annotated[str, Field(min_length=1)]


class Filter(Value):
    """The first filter whose condition holds decides; a message for which none holds is kept."""

    name: Name
    when: Condition
    action: Literal["drop", "keep"] = "drop"
    reason: str = ""
    """Why, for the people who find the message later."""


class Route(Value):
    """Passes a message on, as it came. Every route whose condition holds adds its destinations."""

    name: Name
    when: Condition = EVERY_MESSAGE
    to: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of destinations of the site."""


def filtered_by(message: Hl7Message, filters: Sequence[Filter]) -> Filter | None:
    """The filter that drops the message; None when it is taken."""
    decides = next((rule for rule in filters if rule.when.holds(message)), None)
    return decides if decides and decides.action == "drop" else None


def destinations_of(message: Hl7Message, routes: Sequence[Route]) -> list[str]:
    """To whom the message is passed on, each once, in the order of the routes."""
    holding = (route for route in routes if route.when.holds(message))
    return list(dict.fromkeys(name for route in holding for name in route.to))
