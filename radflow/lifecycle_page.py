"""The transition table as a page: a diagram, and every pair of state and event."""

from collections.abc import Iterator

from radflow.order import PATIENT_EVENTS, TRANSITIONS, WORK_EVENTS, Event, Progress, State

_ANYWHERE = PATIENT_EVENTS | {Event.ORDER_CLOSED, Event.ORDER_EXPIRED, Event.ORDER_DISCONTINUED}
"""They lead from almost every state to one: as arrows they would hide all the others."""


def drawn() -> str:
    """Markdown: a Mermaid state diagram and the table."""
    return "".join(f"{line}\n" for line in (*_diagram(), "", *_table()))


def _diagram() -> Iterator[str]:
    arrows: dict[tuple[str, str], list[Event]] = {}
    for (before, event), after in TRANSITIONS.items():
        if before is after or event in _ANYWHERE or before is State.CLOSED:
            continue
        arrows.setdefault((_name(before), _name(after)), []).append(event)
    yield "```mermaid"
    yield "stateDiagram-v2"
    for state in State:
        yield f"    {_name(state)}: {state}"
    for (start, end), events in arrows.items():
        yield f"    {start} --> {end}: {', '.join(sorted(events))}"
    yield "```"


def _table() -> Iterator[str]:
    yield f"| event | {' | '.join(State)} |"
    yield f"|---|{'---|' * len(State)}"
    for event in Event:
        if event is not Event.ORDER_RECEIVED:
            yield f"| {event} | {' | '.join(_cell(state, event) for state in State)} |"


def _cell(state: State, event: Event) -> str:
    after = TRANSITIONS.get((state, event))
    if after is None:
        return ""
    if after is not state:
        return f"**{after}**"
    noted = event in WORK_EVENTS or Progress(state).only_notes(event)
    return "noted" if noted else "anew"


def _name(state: State | None) -> str:
    """As Mermaid takes it; None is where a life begins."""
    return "[*]" if state is None else state.name.lower()
