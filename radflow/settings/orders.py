"""What a site does with orders where the standards leave it open (`[orders]`)."""

from typing import Literal

from radflow.settings.base import Section


class Orders(Section):
    """An order's life."""

    cancel_after_start: Literal["refuse", "discontinue"] = "refuse"
    """What becomes of CA or DC once a modality has begun or images exist: refused (UC), or the order ends."""
