"""The same order as ORM^O01, OMG^O19 and OMI^O23 is the same `Order`."""

from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from mappings.hl7.acceptance import judge
from mappings.hl7.ack import escape
from mappings.hl7.orders import read_orders
from mappings.hl7.reader import Delimiters, Hl7Message
from radflow.model import Order
from tests.hl7_builders import message, segment

WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, categories=["L", "N", "P"]), max_size=12
)
NUMBERS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=16)
TIMES = st.datetimes().map(lambda moment: f"{max(moment.year, 1900)}{moment:%m%d%H%M%S}")
MAYBE_NUMBERS = st.just("") | NUMBERS


def text(value: str) -> str:
    return escape("" if value == '""' else value, Delimiters())


WRITTEN = WORDS.map(text)

FACTS = st.fixed_dictionaries(
    {
        "patient": NUMBERS,
        "family": WRITTEN,
        "placer": NUMBERS,
        "filler": MAYBE_NUMBERS,
        "accession": NUMBERS,
        "requested_procedure": MAYBE_NUMBERS,
        "uid": st.sampled_from(["", "1.2.840.99999.1", "2.25.314203766336266550251426913168410203461"]),
        "procedure": NUMBERS,
        "display": WRITTEN,
        "reason": WRITTEN,
        "priority": st.sampled_from(["", "S", "A", "R", "P"]),
        "requester": NUMBERS,
        "requested_at": st.just("") | TIMES,
        "steps": st.lists(
            st.fixed_dictionaries(
                {
                    "modality": st.sampled_from(["", "CT", "MR"]),
                    "protocol": st.just("") | NUMBERS.map(lambda code: f"{code}^Protocol^99R"),
                    "aet": st.lists(NUMBERS, max_size=2).map("~".join),
                    "start": st.just("") | TIMES,
                }
            ),
            min_size=1,
            max_size=3,
        ),
    }
)


def as_orm(facts: dict[str, Any]) -> bytes:
    """IHE RAD-4: a group for each step, its timing in OBR-27; the study in ZDS."""
    groups: list[str] = []
    for number, step in enumerate(facts["steps"], start=1):
        timing = f"^^^{step['start']}^^{facts['priority']}"
        groups += [
            segment("ORC", orc(facts) | {7: timing}),
            segment("OBR", obr(facts, number, step) | {27: timing}),
        ]
    return message("ORM^O01", "M1", *head(facts), *groups, f"ZDS|{facts['uid']}", msh_12="2.3.1")


def as_omg(facts: dict[str, Any]) -> bytes:
    """v2.5.1: as ORM, its timing in TQ1."""
    groups: list[str] = []
    for number, step in enumerate(facts["steps"], start=1):
        timing = segment("TQ1", {7: step["start"], 9: facts["priority"]})
        groups += [segment("ORC", orc(facts)), timing, segment("OBR", obr(facts, number, step))]
    return message("OMG^O19^OMG_O19", "M1", *head(facts), *groups, f"ZDS|{facts['uid']}")


def as_omi(facts: dict[str, Any]) -> bytes:
    """v2.5.1: one group, a TQ1 and an IPC for each step."""
    steps = facts["steps"]
    timings = [segment("TQ1", {7: step["start"], 9: facts["priority"]}) for step in steps]
    ipcs = [
        segment(
            "IPC",
            {
                1: facts["accession"], 2: facts["requested_procedure"], 3: facts["uid"], 4: f"S{number}",
                5: step["modality"], 6: step["protocol"], 9: step["aet"],
            },
        )
        for number, step in enumerate(steps, start=1)
    ]  # fmt: skip
    obr_ = {4: f"{facts['procedure']}^{facts['display']}^L", 31: f"R^{facts['reason']}"}
    group = [segment("ORC", orc(facts)), *timings, segment("OBR", obr_), *ipcs]
    return message("OMI^O23^OMI_O23", "M1", *head(facts), *group)


def head(facts: dict[str, Any]) -> list[str]:
    return [segment("PID", {3: f"{facts['patient']}^^^HOSP", 5: f"{facts['family']}^Jo"}), "PV1||I"]


def orc(facts: dict[str, Any]) -> dict[int, str]:
    numbers = {1: "NW", 2: f"{facts['placer']}^EHR", 3: f"{facts['filler']}^RIS" if facts["filler"] else ""}
    return numbers | {9: facts["requested_at"], 12: f"{facts['requester']}^Moreau"}


def obr(facts: dict[str, Any], number: int, step: dict[str, Any]) -> dict[int, str]:
    return {
        4: f"{facts['procedure']}^{facts['display']}^L^{step['protocol']}",
        18: facts["accession"], 19: facts["requested_procedure"], 20: f"S{number}", 21: step["aet"],
        24: step["modality"], 31: f"R^{facts['reason']}",
    }  # fmt: skip


def order(raw: bytes) -> Order:
    assert judge(raw).refusal is None
    (one,) = read_orders(Hl7Message(raw), site="main", zone=ZoneInfo("Europe/Berlin"), uid_root="2.25")
    return one.order


@given(FACTS)
def test_the_same_order_in_three_types_is_one_order(facts: dict[str, Any]) -> None:
    """Whatever is known of it: numbers, patient, physician, reason, priority, each of its steps."""
    read = order(as_omi(facts))
    assert order(as_orm(facts)) == read
    assert order(as_omg(facts)) == read
    assert [step.step_id for step in read.steps] == [f"S{n}" for n in range(1, len(facts["steps"]) + 1)]
    assert (read.accession_number, read.procedure.code) == (facts["accession"], facts["procedure"])
