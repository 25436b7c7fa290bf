"""A worklist that the site keeps already, as a step of an order's life at sites that have one."""

from flows.site_tasks import Step
from radflow.order import State
from radflow.settings import settings
from radflow.settings.worklist_target import Dcm4cheeWorklist, WlFiles
from tasks.other_worklist import show_on_other_worklist

_NOTHING_NEW = frozenset({State.WORKLISTED, State.PUBLISHED})
"""What an order shows in these, it has shown in the state before."""


def other_worklist_steps(site: str, state: State) -> tuple[Step, ...]:
    """Whenever its items may be others, or gone. One told over HL7 is a destination as any other."""
    known = settings().sites.get(site)
    other = known is not None and isinstance(known.worklist.target, Dcm4cheeWorklist | WlFiles)
    return (show_on_other_worklist,) if other and state not in _NOTHING_NEW else ()
