"""The life of an order: its states, its events and the one table that says what follows what.

    Event log ──fold──▶ Progress(state, steps_done)

Flows, services and people propose events; only this table accepts them. A pair that is not in the
table is an error (`NotAllowed`), never a silent no-op. Behaviour follows IHE Radiology, Scheduled
Workflow; where IHE is silent the comment above the row says what we do.
"""

import hashlib
from base64 import b32encode
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """Where an order stands. The first four stages are named as users name them."""

    RECEIVED = "received"
    """Stored and acknowledged; not yet, or no longer rightly, on the worklist."""
    WORKLISTED = "worklisted"
    """On the modality worklist; waiting for images."""
    PRELIMINARY_WITHOUT_IMAGES = "preliminary-without-images"
    """A preliminary report came before any archive showed the images."""
    REPORTED_WITHOUT_IMAGES = "reported-without-images"
    """The report came before any archive showed the images; waiting for them."""
    ACQUIRED = "acquired"
    """Images found; waiting for the report."""
    PRELIMINARY = "preliminary"
    """A preliminary report is being published."""
    REPORTED = "reported"
    """Images and report are there; the result is being published."""
    PUBLISHED = "published"
    """Every receiver has the result."""
    CANCELLED = "cancelled"
    """Taken back before images existed."""


class Event(StrEnum):
    """What has happened to an order, in the past tense."""

    ORDER_RECEIVED = "order-received"
    ORDER_CHANGED = "order-changed"
    ORDER_CANCELLED = "order-cancelled"
    WORKLISTED = "worklisted"
    STUDY_FOUND = "study-found"
    PRELIMINARY_RECEIVED = "preliminary-received"
    REPORT_RECEIVED = "report-received"
    PRELIMINARY_PUBLISHED = "preliminary-published"
    PUBLISHED = "published"
    STEP_COMPLETED = "step-completed"
    STEP_FAILED = "step-failed"
    WOKEN_BY_HAND = "woken-by-hand"


class NotAllowed(ValueError):
    """The event cannot happen to an order in this state."""

    def __init__(self, state: State | None, event: Event) -> None:
        whose = "an order that does not exist" if state is None else f"an order that is {state}"
        super().__init__(f"{event} cannot happen to {whose}")
        self.state = state
        self.event = event


_S, _E = State, Event

TRANSITIONS: dict[tuple[State | None, Event], State] = {
    (None, _E.ORDER_RECEIVED): _S.RECEIVED,
    # The worklist: RAD-4 Procedure Scheduled, RAD-13 Procedure Update.
    (_S.RECEIVED, _E.WORKLISTED): _S.WORKLISTED,
    (_S.RECEIVED, _E.ORDER_CHANGED): _S.RECEIVED,
    (_S.WORKLISTED, _E.ORDER_CHANGED): _S.RECEIVED,
    # Cancel before images exist. Afterwards the pair is missing: the message is kept as refused.
    (_S.RECEIVED, _E.ORDER_CANCELLED): _S.CANCELLED,
    (_S.WORKLISTED, _E.ORDER_CANCELLED): _S.CANCELLED,
    # Images, which may exist before the order reached the worklist (emergencies, an engine that was down).
    (_S.RECEIVED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.WORKLISTED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.STUDY_FOUND): _S.PRELIMINARY,
    (_S.REPORTED_WITHOUT_IMAGES, _E.STUDY_FOUND): _S.REPORTED,
    # The report before the images: kept, published once the images are found.
    (_S.RECEIVED, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.RECEIVED, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    (_S.WORKLISTED, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.WORKLISTED, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.ORDER_CHANGED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.REPORTED_WITHOUT_IMAGES, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    (_S.REPORTED_WITHOUT_IMAGES, _E.ORDER_CHANGED): _S.REPORTED_WITHOUT_IMAGES,
    # The report after the images.
    (_S.ACQUIRED, _E.ORDER_CHANGED): _S.ACQUIRED,
    (_S.ACQUIRED, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY,
    (_S.ACQUIRED, _E.REPORT_RECEIVED): _S.REPORTED,
    (_S.PRELIMINARY, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY,
    (_S.PRELIMINARY, _E.REPORT_RECEIVED): _S.REPORTED,
    (_S.PRELIMINARY, _E.ORDER_CHANGED): _S.PRELIMINARY,
    (_S.PRELIMINARY, _E.PRELIMINARY_PUBLISHED): _S.ACQUIRED,
    (_S.REPORTED, _E.REPORT_RECEIVED): _S.REPORTED,
    (_S.REPORTED, _E.ORDER_CHANGED): _S.REPORTED,
    (_S.REPORTED, _E.PUBLISHED): _S.PUBLISHED,
    # A corrected report, or changed demographics, after publication: publish anew.
    (_S.PUBLISHED, _E.REPORT_RECEIVED): _S.REPORTED,
    (_S.PUBLISHED, _E.ORDER_CHANGED): _S.REPORTED,
}
# Work on an open order, and a person's nudge, never move it by themselves.
TRANSITIONS |= {
    (state, event): state
    for state in State
    if state not in (State.PUBLISHED, State.CANCELLED)
    for event in (Event.STEP_COMPLETED, Event.STEP_FAILED, Event.WOKEN_BY_HAND)
}

FINISHED = frozenset({State.PUBLISHED, State.CANCELLED})
"""Nothing more is due; an order here never wakes unless new facts reopen it."""

AWAITING_IMAGES = frozenset(
    {State.RECEIVED, State.WORKLISTED, State.PRELIMINARY_WITHOUT_IMAGES, State.REPORTED_WITHOUT_IMAGES}
)
"""What a sweep looks for in the archives."""

ON_WORKLIST = frozenset({State.RECEIVED, State.WORKLISTED})
"""A worklist item survives only in these states (RECEIVED again: it is about to be replaced)."""

WORK_EVENTS = frozenset({Event.STEP_COMPLETED, Event.STEP_FAILED, Event.WOKEN_BY_HAND})
"""Events of the work itself. Every other event is news and starts the chapter's steps afresh."""


@dataclass(frozen=True)
class Progress:
    """An event log folded: the state, and the steps already done in it."""

    state: State | None = None
    steps_done: frozenset[str] = frozenset()
    revision: int = 0
    """How many news there have been. Names a publication, so that a receiver can tell a repeat."""

    def after(self, event: Event, step: str | None = None) -> "Progress":
        """The progress after one more event.

        Raises:
            NotAllowed: the pair (state, event) is not in `TRANSITIONS`.
        """
        try:
            state = TRANSITIONS[self.state, event]
        except KeyError:
            raise NotAllowed(self.state, event) from None
        if event in WORK_EVENTS:
            done = self.steps_done | {step} if event is Event.STEP_COMPLETED and step else self.steps_done
            return replace(self, state=state, steps_done=done)
        return Progress(state, frozenset(), self.revision + 1)


def order_key(site: str, assigner: str, order_number: str) -> str:
    """The order's name in runs, logs and tags: the same for every replay, and free of patient data.

    A pseudonym of the order number within its assigner and site, in the characters that Prefect allows
    in an artifact key: `main-k3q7ymx2vt4a`.
    """
    return f"{site}-{_digest(12, site, assigner, order_number)}"


def control_id(key: str, destination: str, revision: int) -> str:
    """MSH-10 of what is sent to `destination` for this revision: the same at every repeat, 20 characters."""
    return _digest(20, key, destination, str(revision)).upper()


def _digest(length: int, *parts: str) -> str:
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return b32encode(digest).decode().lower()[:length]
