"""A question to a person: are these images the order's? The run waits, suspended, for the answer."""

from itertools import count
from typing import Any, Literal

from prefect import flow, suspend_flow_run, task
from prefect.cache_policies import NO_CACHE
from prefect.input import RunInput
from prefect.states import Completed
from pydantic import Field, ValidationError

from radflow.clock import utc_now
from radflow.order import NotAllowed
from radflow.store import candidates
from radflow.store.candidates import NoSuchCandidate
from radflow.store.engine import store


class Decision(RunInput):
    """What the person says. The order's log keeps it: nothing of the patient belongs here."""

    decision: Literal["confirm", "refuse"]
    who: str = Field(min_length=1, max_length=64, pattern=r"^\S.*$")
    reason: str = Field(default="", max_length=200)


@flow(name="reconcile", persist_result=False)
def reconcile(candidate: int) -> Any:
    """Ask whether a study is an order's, and see to it that the answer is followed.

    Args:
        candidate: its number, as `radflow reconcile list` shows it.
    """
    question = describe(candidate)
    if not question:
        return Completed(message="There is nothing to decide any more.")
    return Completed(message=follow(candidate, ask(question)))


@task(name="describe", cache_policy=NO_CACHE, persist_result=False)
def describe(candidate: int) -> str:
    """What the person is shown, free of patient data; empty where there is nothing to decide."""
    try:
        with store().read() as session:
            row = candidates.find_undecided(session, candidate)
            numbered = candidates.has_its_number(session, row)
    except NoSuchCandidate:
        return ""
    like = (
        f"with the accession number of order **{row.order_key}**, but not under its Patient ID"
        if numbered
        else f"of the patient, modality and day of order **{row.order_key}**, but not with its numbers"
    )
    return (
        f"Archive **{row.archive}** has a study {like}. "
        f"`radflow reconcile show {candidate}` shows both. Is it the order's?"
    )


def ask(question: str) -> Decision:
    """The person's answer. Who wakes the run without one is asked again."""
    form = Decision.with_initial_data(description=question)
    for time in count(1):
        try:
            return suspend_flow_run(form, timeout=None, key=f"decision-{time}")
        except ValidationError:
            continue
    raise AssertionError("count() has no end")


@task(name="follow", cache_policy=NO_CACHE, persist_result=False, retries=3, retry_delay_seconds=5)
def follow(candidate: int, answer: Decision) -> str:
    """Do as the person says; returns what has become of it, free of patient data."""
    decide = candidates.confirm if answer.decision == "confirm" else candidates.refuse
    try:
        with store().write() as session:
            row = decide(session, candidate, by=answer.who, now=utc_now(), reason=answer.reason)
            return f"{row.decision} by {row.decided_by}"
    except (NoSuchCandidate, NotAllowed):
        return "It had been decided, or the order no longer waits for images: nothing is changed."
