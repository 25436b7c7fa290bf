"""Worklists that others keep: one small interface. A new kind is a class, a settings class and one entry."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

from pydicom import Dataset

from radflow.connectors.worklists.dcm4chee import Dcm4cheeClient
from radflow.connectors.worklists.wl_files import WlFolder
from radflow.model import Order
from radflow.settings.worklist_target import Dcm4cheeWorklist, WlFiles


class WorklistClient(Protocol):
    def show(self, order: Order, items: Sequence[Dataset], studies: Collection[str]) -> None:
        """Make these the order's items there, and no others; none takes it off. Repeating changes nothing.

        Args:
            items: one for each scheduled procedure step, as PS3.4 table K.6-1 has it.
            studies: Study Instance UIDs that items of the order may have there from before.

        Raises:
            Unavailable: it cannot be reached, or is busy.
            Refused: it takes no such item, or nothing from us.
        """
        ...


_CLIENTS: dict[str, Callable[[Any], WorklistClient]] = {
    "dcm4chee": Dcm4cheeClient,
    "wl-files": WlFolder,
}


def open_worklist(target: Dcm4cheeWorklist | WlFiles) -> WorklistClient:
    """A client of this worklist; it connects when it is told something."""
    return _CLIENTS[target.kind](target)
