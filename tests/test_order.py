"""The transition table, walked pair by pair."""

from itertools import product

import pytest

from flows.order import LIFE
from radflow.order import (
    ACQUISITION_EVENTS,
    AWAITING_IMAGES,
    BUSY,
    FINISHED,
    ON_WORKLIST,
    PATIENT_EVENTS,
    TRANSITIONS,
    Event,
    NotAllowed,
    Progress,
    State,
    control_id,
    order_key,
)


@pytest.mark.parametrize(("state", "event"), [*product([None, *State], Event)])
def test_every_pair_is_either_in_the_table_or_an_error(state: State | None, event: Event) -> None:
    """An unknown pair raises; a known one leads where the table says."""
    progress = Progress(state)
    if (state, event) in TRANSITIONS:
        assert progress.after(event).state is TRANSITIONS[state, event]
    else:
        with pytest.raises(NotAllowed, match=event):
            progress.after(event)


def test_every_state_can_be_reached_and_every_open_one_left() -> None:
    """No state is an island, and only finished orders may stay for ever."""
    assert set(TRANSITIONS.values()) == set(State)
    for state in set(State) - FINISHED:
        assert any(now is state and after is not state for (now, _), after in TRANSITIONS.items())


def test_an_order_is_busy_where_its_flow_makes_something_and_goes_on() -> None:
    """News of the patient wake it only there: nothing else shows the patient."""
    assert {state for state, chapter in LIFE.items() if chapter.then} == BUSY


@pytest.mark.parametrize("event", sorted(PATIENT_EVENTS))
def test_news_of_the_patient_move_an_order_only_to_make_anew_what_shows_them(event: Event) -> None:
    """Worklist and published result; a cancelled order stays cancelled."""
    moved = {state: after for state in State if (after := TRANSITIONS[state, event]) is not state}
    assert moved == {State.WORKLISTED: State.RECEIVED, State.PUBLISHED: State.REPORTED}


def test_a_held_order_comes_off_the_worklist_and_is_still_looked_for() -> None:
    """HD keeps the order: it may be imaged all the same."""
    assert State.HELD not in ON_WORKLIST
    assert State.HELD in AWAITING_IMAGES


def test_what_has_begun_can_no_longer_be_cancelled() -> None:
    """A cancellation after MPPS IN PROGRESS is kept as refused; once it is abandoned it is taken."""
    started = Progress(State.WORKLISTED).after(Event.STEP_STARTED)
    assert started.state in ON_WORKLIST & AWAITING_IMAGES
    with pytest.raises(NotAllowed):
        started.after(Event.ORDER_CANCELLED)
    abandoned = started.after(Event.ACQUISITION_ABANDONED)
    assert abandoned.after(Event.ORDER_CANCELLED).state is State.CANCELLED


@pytest.mark.parametrize(("state", "event"), [*product(State, sorted(ACQUISITION_EVENTS))])
def test_what_is_said_of_an_acquisition_is_never_refused(state: State, event: Event) -> None:
    """Modality and archive speak when they like. It is news while images are waited for, or given up."""
    before = Progress(state, frozenset({"publish_to_fhir"}), 3)
    after = before.after(event)
    if state in AWAITING_IMAGES or (state is State.CLOSED and after.state is State.STARTED):
        assert (after.state in AWAITING_IMAGES, after.revision, after.steps_done) == (True, 4, frozenset())
    else:
        assert after == before


def test_a_step_is_done_until_news_come() -> None:
    """Completed steps add up within a chapter; news start it afresh and count a revision."""
    progress = Progress(State.REPORTED, revision=4)
    progress = progress.after(Event.STEP_COMPLETED, "publish_to_fhir").after(Event.STEP_FAILED, "send_result")
    assert progress == Progress(State.REPORTED, frozenset({"publish_to_fhir"}), 4)
    assert progress.after(Event.REPORT_RECEIVED) == Progress(State.REPORTED, frozenset(), 5)


def test_a_key_names_one_order_of_one_assigner_at_one_site() -> None:
    """The same number from two assigners or sites is two orders; a replay is the same one."""
    keys = [order_key(s, a, "1") for s, a in product(("main", "north"), ("EHR", "CLINIC"))]
    assert len(set(keys)) == 4
    assert order_key("main", "EHR", "1") == keys[0]
    assert keys[0].startswith("main-")


def test_a_control_id_fits_msh_10_and_names_one_revision() -> None:
    """MSH-10 holds 20 characters up to HL7 v2.5.1."""
    first, second = (control_id("main-abc", "ehr", revision) for revision in (1, 2))
    assert len(first) == 20
    assert first != second
