"""The transition table, walked pair by pair."""

from itertools import product

import pytest

from radflow.order import FINISHED, TRANSITIONS, Event, NotAllowed, Progress, State, control_id, order_key


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


def test_a_step_is_done_until_news_come() -> None:
    """Completed steps add up within a chapter; news start it afresh and count a revision."""
    progress = Progress(State.REPORTED, revision=4)
    progress = progress.after(Event.STEP_COMPLETED, "publish_to_fhir").after(Event.STEP_FAILED, "send_to_ehr")
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
