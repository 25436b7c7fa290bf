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
    HELD = "held"
    """Kept, and off the worklist, until it is released (ORC-1 HD, RL)."""
    STARTED = "started"
    """A modality performs it (MPPS), or has done so; waiting for images."""
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
    WITHDRAWN = "withdrawn"
    """The report was taken back; that is being published."""
    PUBLISHED = "published"
    """Every receiver has the result."""
    CANCELLED = "cancelled"
    """Taken back by its placer: before images existed, or afterwards where the site discontinues then."""
    CLOSED = "closed"
    """Given up by a person, or expired by the site's limit. Late facts open it again."""


class Event(StrEnum):
    """What has happened to an order, in the past tense."""

    ORDER_RECEIVED = "order-received"
    ORDER_CHANGED = "order-changed"
    ORDER_CANCELLED = "order-cancelled"
    ORDER_HELD = "order-held"
    ORDER_RELEASED = "order-released"
    ORDER_DISCONTINUED = "order-discontinued"
    """Taken back though a modality has begun or images exist; only where the site says so (ORC-1 CA, DC)."""
    ORDER_CLOSED = "order-closed"
    """A person says that nothing more will come of it."""
    ORDER_EXPIRED = "order-expired"
    """Nothing has come of it for as long as the site waits."""
    ORDER_OVERDUE = "order-overdue"
    """It has been in a stage for longer than the site allows."""
    OVERDUE_ENDED = "overdue-ended"
    """It has left the stage in which it was overdue."""
    CANDIDATE_REFUSED = "candidate-refused"
    """A person says that a study which was proposed is not the order's."""
    REPUBLICATION_ASKED = "republication-asked"
    """A person wants what is published made and sent anew."""
    SENDING_ASKED = "sending-asked"
    """A person wants the messages of the order sent once more, as they are."""
    NO_SHOW = "no-show"
    PATIENT_CHANGED = "patient-changed"
    """The patient's name, birth date, sex or identifiers are others now; the same person."""
    PATIENT_MERGED = "patient-merged"
    """The order's patient has been merged into another, or goes by another identifier."""
    WORKLISTED = "worklisted"
    STEP_STARTED = "step-started"
    """A modality has begun a performed procedure step for the order (MPPS, PS3.4 annex F)."""
    ACQUISITION_COMPLETED = "acquisition-completed"
    """A performed step of the order is COMPLETED."""
    ACQUISITION_DISCONTINUED = "acquisition-discontinued"
    """A performed step of the order is DISCONTINUED, and another one goes on or is completed."""
    ACQUISITION_ABANDONED = "acquisition-abandoned"
    """All performed steps of the order are DISCONTINUED."""
    INSTANCES_AVAILABLE = "instances-available"
    """An archive says that it has images of the study (PS3.4 annex R)."""
    STORAGE_COMMITTED = "storage-committed"
    """The archive has taken responsibility for all instances it was asked for (PS3.4 annex J)."""
    STORAGE_COMMITMENT_FAILED = "storage-commitment-failed"
    """It has not for some of them."""
    STUDY_FOUND = "study-found"
    STUDY_CHANGED = "study-changed"
    """Images were added, or the study has moved or gone, after it was found."""
    STUDY_UNLINKED = "study-unlinked"
    """The only study of the order is not its own: a person, or a corrected worklist choice, says so."""
    PRELIMINARY_RECEIVED = "preliminary-received"
    REPORT_RECEIVED = "report-received"
    REPORT_WITHDRAWN = "report-withdrawn"
    """There is no report (any more): OBR-25 X, or every result of it D or W (OBX-11; HL7 table 0085)."""
    REPORT_KEPT = "report-kept"
    """A report of a source that the site prefers less, or one that says the same: it does not count."""
    WITHDRAWAL_PUBLISHED = "withdrawal-published"
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

AWAITING_IMAGES = frozenset(
    {
        State.RECEIVED,
        State.WORKLISTED,
        State.HELD,
        State.STARTED,
        State.PRELIMINARY_WITHOUT_IMAGES,
        State.REPORTED_WITHOUT_IMAGES,
    }
)
"""What a sweep looks for in the archives."""

TRANSITIONS: dict[tuple[State | None, Event], State] = {
    (None, _E.ORDER_RECEIVED): _S.RECEIVED,
    # The worklist: RAD-4 Procedure Scheduled, RAD-13 Procedure Update.
    (_S.RECEIVED, _E.WORKLISTED): _S.WORKLISTED,
    (_S.RECEIVED, _E.ORDER_CHANGED): _S.RECEIVED,
    (_S.WORKLISTED, _E.ORDER_CHANGED): _S.RECEIVED,
    # Cancel before images exist. Afterwards the pair is missing: the message is kept as refused.
    (_S.RECEIVED, _E.ORDER_CANCELLED): _S.CANCELLED,
    (_S.WORKLISTED, _E.ORDER_CANCELLED): _S.CANCELLED,
    # HL7 table 0119, HD and RL. What is held may be changed, cancelled, and imaged all the same.
    (_S.RECEIVED, _E.ORDER_HELD): _S.HELD,
    (_S.WORKLISTED, _E.ORDER_HELD): _S.HELD,
    (_S.HELD, _E.ORDER_RELEASED): _S.RECEIVED,
    (_S.HELD, _E.ORDER_CHANGED): _S.HELD,
    (_S.HELD, _E.ORDER_CANCELLED): _S.CANCELLED,
    (_S.HELD, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.HELD, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.HELD, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    # The patient did not come (SIU^S26): the order stays where it is, and a person sees it.
    (_S.RECEIVED, _E.NO_SHOW): _S.RECEIVED,
    (_S.WORKLISTED, _E.NO_SHOW): _S.WORKLISTED,
    (_S.HELD, _E.NO_SHOW): _S.HELD,
    # Performed steps (RAD-6, RAD-7), also of what is held. What is started can no longer be cancelled.
    (_S.RECEIVED, _E.STEP_STARTED): _S.STARTED,
    (_S.WORKLISTED, _E.STEP_STARTED): _S.STARTED,
    (_S.HELD, _E.STEP_STARTED): _S.STARTED,
    (_S.RECEIVED, _E.ACQUISITION_COMPLETED): _S.STARTED,
    (_S.WORKLISTED, _E.ACQUISITION_COMPLETED): _S.STARTED,
    (_S.HELD, _E.ACQUISITION_COMPLETED): _S.STARTED,
    # Images that an archive has were made, with or without a word of the modality.
    (_S.RECEIVED, _E.INSTANCES_AVAILABLE): _S.STARTED,
    (_S.WORKLISTED, _E.INSTANCES_AVAILABLE): _S.STARTED,
    (_S.HELD, _E.INSTANCES_AVAILABLE): _S.STARTED,
    # It is to be done again, until somebody cancels it: back on the worklist.
    (_S.STARTED, _E.ACQUISITION_ABANDONED): _S.RECEIVED,
    (_S.STARTED, _E.ORDER_CHANGED): _S.STARTED,
    (_S.STARTED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.STARTED, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.STARTED, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
    # Images, which may exist before the order reached the worklist (emergencies, an engine that was down).
    (_S.RECEIVED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.WORKLISTED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.STUDY_FOUND): _S.PRELIMINARY,
    (_S.REPORTED_WITHOUT_IMAGES, _E.STUDY_FOUND): _S.REPORTED,
    # More images than before, or the study is elsewhere: what shows it is made anew.
    (_S.ACQUIRED, _E.STUDY_CHANGED): _S.ACQUIRED,
    (_S.PRELIMINARY, _E.STUDY_CHANGED): _S.PRELIMINARY,
    (_S.REPORTED, _E.STUDY_CHANGED): _S.REPORTED,
    (_S.PUBLISHED, _E.STUDY_CHANGED): _S.REPORTED,
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
# The report is taken back. What has been published of it is withdrawn; the images wait for another one.
TRANSITIONS |= {
    (state, _E.REPORT_WITHDRAWN): _S.WITHDRAWN
    for state in (_S.ACQUIRED, _S.PRELIMINARY, _S.REPORTED, _S.PUBLISHED, _S.WITHDRAWN)
}
TRANSITIONS |= {
    # Nothing of it has gone out: the order is where it was before the report, or never had one.
    (_S.PRELIMINARY_WITHOUT_IMAGES, _E.REPORT_WITHDRAWN): _S.RECEIVED,
    (_S.REPORTED_WITHOUT_IMAGES, _E.REPORT_WITHDRAWN): _S.RECEIVED,
    (_S.RECEIVED, _E.REPORT_WITHDRAWN): _S.RECEIVED,
    (_S.WORKLISTED, _E.REPORT_WITHDRAWN): _S.WORKLISTED,
    (_S.HELD, _E.REPORT_WITHDRAWN): _S.HELD,
    (_S.STARTED, _E.REPORT_WITHDRAWN): _S.STARTED,
    (_S.CANCELLED, _E.REPORT_WITHDRAWN): _S.CANCELLED,
    (_S.CLOSED, _E.REPORT_WITHDRAWN): _S.CLOSED,
    (_S.WITHDRAWN, _E.WITHDRAWAL_PUBLISHED): _S.ACQUIRED,
    (_S.WITHDRAWN, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY,
    (_S.WITHDRAWN, _E.REPORT_RECEIVED): _S.REPORTED,
    (_S.WITHDRAWN, _E.ORDER_CHANGED): _S.WITHDRAWN,
    (_S.WITHDRAWN, _E.STUDY_CHANGED): _S.WITHDRAWN,
}
# The study was another order's (wrong worklist entry picked): its images are waited for anew.
TRANSITIONS |= {
    **{(state, _E.STUDY_UNLINKED): state for state in AWAITING_IMAGES},
    (_S.WORKLISTED, _E.STUDY_UNLINKED): _S.RECEIVED,
    (_S.STARTED, _E.STUDY_UNLINKED): _S.RECEIVED,
    (_S.ACQUIRED, _E.STUDY_UNLINKED): _S.RECEIVED,
    (_S.WITHDRAWN, _E.STUDY_UNLINKED): _S.RECEIVED,
    (_S.PRELIMINARY, _E.STUDY_UNLINKED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.REPORTED, _E.STUDY_UNLINKED): _S.REPORTED_WITHOUT_IMAGES,
    (_S.PUBLISHED, _E.STUDY_UNLINKED): _S.REPORTED_WITHOUT_IMAGES,
}
# Taken back late, where the site discontinues then. What is published stays: it can only be withdrawn.
TRANSITIONS |= {
    (state, _E.ORDER_DISCONTINUED): _S.CANCELLED
    for state in State
    if state not in (_S.PUBLISHED, _S.CANCELLED)
}
# Given up. A fact that comes late opens the order again, as if it had been waiting.
TRANSITIONS |= {
    (state, event): _S.CLOSED
    for state in State
    if state not in (_S.PUBLISHED, _S.CANCELLED, _S.CLOSED)
    for event in (_E.ORDER_CLOSED, _E.ORDER_EXPIRED)
}
TRANSITIONS |= {
    (_S.CLOSED, _E.ORDER_CHANGED): _S.RECEIVED,
    (_S.CLOSED, _E.ORDER_RELEASED): _S.RECEIVED,
    (_S.CLOSED, _E.ORDER_CANCELLED): _S.CANCELLED,
    (_S.CLOSED, _E.STEP_STARTED): _S.STARTED,
    (_S.CLOSED, _E.ACQUISITION_COMPLETED): _S.STARTED,
    (_S.CLOSED, _E.INSTANCES_AVAILABLE): _S.STARTED,
    (_S.CLOSED, _E.STUDY_FOUND): _S.ACQUIRED,
    (_S.CLOSED, _E.PRELIMINARY_RECEIVED): _S.PRELIMINARY_WITHOUT_IMAGES,
    (_S.CLOSED, _E.REPORT_RECEIVED): _S.REPORTED_WITHOUT_IMAGES,
}
# It is named in the provenance of what counts.
TRANSITIONS |= {(state, _E.REPORT_KEPT): _S.REPORTED if state is _S.PUBLISHED else state for state in State}
# A person wants it all published once more.
TRANSITIONS |= {
    (_S.PUBLISHED, _E.REPUBLICATION_ASKED): _S.REPORTED,
    (_S.PRELIMINARY, _E.REPUBLICATION_ASKED): _S.PRELIMINARY,
    (_S.REPORTED, _E.REPUBLICATION_ASKED): _S.REPORTED,
    (_S.WITHDRAWN, _E.REPUBLICATION_ASKED): _S.WITHDRAWN,
}
# Patient Information Reconciliation (RAD-12): worklist and published results are made anew.
TRANSITIONS |= {
    (state, event): {_S.WORKLISTED: _S.RECEIVED, _S.PUBLISHED: _S.REPORTED}.get(state, state)
    for state in State
    for event in (Event.PATIENT_CHANGED, Event.PATIENT_MERGED)
}
# The receivers of a cancelled or closed order are told so.
TRANSITIONS |= {
    (state, event): state
    for state in (_S.CANCELLED, _S.CLOSED)
    for event in (_E.STEP_COMPLETED, _E.STEP_FAILED)
}
# A refused proposal, a repeated message and how long it takes are noted, and move nothing.
TRANSITIONS |= {
    (state, event): state
    for state in State
    for event in (_E.CANDIDATE_REFUSED, _E.SENDING_ASKED, _E.OVERDUE_ENDED)
}
TRANSITIONS |= {
    (state, _E.ORDER_OVERDUE): state
    for state in State
    if state not in (_S.PUBLISHED, _S.CANCELLED, _S.CLOSED)
}
# Work on an open order, and a person's nudge, never move it by themselves.
TRANSITIONS |= {
    (state, event): state
    for state in State
    if state not in (State.PUBLISHED, State.CANCELLED, State.CLOSED)
    for event in (Event.STEP_COMPLETED, Event.STEP_FAILED, Event.WOKEN_BY_HAND)
}

ACQUISITION_EVENTS = frozenset(
    {
        Event.STEP_STARTED,
        Event.ACQUISITION_COMPLETED,
        Event.ACQUISITION_DISCONTINUED,
        Event.ACQUISITION_ABANDONED,
        Event.INSTANCES_AVAILABLE,
        Event.STORAGE_COMMITTED,
        Event.STORAGE_COMMITMENT_FAILED,
    }
)
"""What modalities and archives say of the acquisition, at any time. News while images are waited for; else
only noted: neither made nor sent anew is anything because of them.
"""
# Where the table has not said otherwise above, they move nothing.
TRANSITIONS |= {
    (state, event): TRANSITIONS.get((state, event), state) for state in State for event in ACQUISITION_EVENTS
}


def images_event(state: State) -> Event:
    """What complete images are to an order in this state: awaited, also where it was given up, or others."""
    awaited = (state, Event.STUDY_FOUND) in TRANSITIONS
    return Event.STUDY_FOUND if awaited else Event.STUDY_CHANGED


FINISHED = frozenset({State.PUBLISHED, State.CANCELLED, State.CLOSED})
"""Nothing more is due; an order here never wakes unless new facts reopen it."""

ON_WORKLIST = frozenset({State.RECEIVED, State.WORKLISTED, State.STARTED})
"""A worklist item survives only in these states (RECEIVED again: it is about to be replaced)."""

BUSY = frozenset({State.RECEIVED, State.PRELIMINARY, State.REPORTED, State.WITHDRAWN})
"""States in which a worklist item or a result is made. In every other one an order waits, or is finished."""

SHOWS_PATIENT = BUSY | {State.STARTED}
"""States in which what shows the patient is made anew; of a started order, the steps still to be done."""

WORK_EVENTS = frozenset(
    {
        Event.STEP_COMPLETED,
        Event.STEP_FAILED,
        Event.WOKEN_BY_HAND,
        Event.ORDER_OVERDUE,
        Event.OVERDUE_ENDED,
        Event.CANDIDATE_REFUSED,
        Event.SENDING_ASKED,
    }
)
"""Events of the work itself, and of how long it takes. All others are news and start the steps afresh."""

PATIENT_EVENTS = frozenset({Event.PATIENT_CHANGED, Event.PATIENT_MERGED})
"""News of the patient. They come in storms, and wake an order only where what shows them is made anew."""


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
        if self.only_notes(event):
            done = self.steps_done | {step} if event is Event.STEP_COMPLETED and step else self.steps_done
            return replace(self, state=state, steps_done=done)
        return Progress(state, frozenset(), self.revision + 1)

    def only_notes(self, event: Event) -> bool:
        """Whether the event is no news for an order here: it starts no step afresh and wakes nobody."""
        late = event is Event.REPORT_KEPT or (
            event in ACQUISITION_EVENTS and self.state not in AWAITING_IMAGES
        )
        moves = TRANSITIONS.get((self.state, event), self.state) is not self.state
        return event in WORK_EVENTS or (late and not moves)


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
