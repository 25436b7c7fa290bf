"""How long a site keeps what it has received and sent."""

from pydantic import Field

from radflow.settings.base import Section


class Retention(Section):
    """After how many days what is done with is removed; 0 keeps it for ever."""

    messages_days: int = Field(default=0, ge=0)
    """Raw messages that are processed, filtered or repaired, and of no order that is open."""
    outbox_days: int = Field(default=0, ge=0)
    """Messages that were delivered. One that was passed on stays as long as the message that it came as."""
