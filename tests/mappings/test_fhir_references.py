"""References inside resources, and the order in which resources that refer to each other are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.fhir.publishing import Entry
from mappings.fhir.references import Circular, parts, references_in, renamed


def entry(name: str, *refers_to: str) -> Entry:
    resource = {"resourceType": "Basic", "related": [{"reference": other} for other in refers_to]}
    return Entry(name, resource, f"Basic?identifier={name}")


def test_every_reference_is_found_and_renamed() -> None:
    """At any depth; a string that is no reference keeps its content."""
    value = {"subject": {"reference": "a"}, "list": [{"deep": {"reference": "b"}}, "a"], "text": "a"}
    assert list(references_in(value)) == ["a", "b"]
    assert renamed(value, {"a": "A/1"}) == {
        "subject": {"reference": "A/1"},
        "list": [{"deep": {"reference": "b"}}, "a"],
        "text": "a",
    }


def test_what_fits_stays_as_it_is() -> None:
    """One transaction in the order given, without a limit or below it; none for nothing."""
    entries = [entry("a", "b"), entry("b", "a")]
    assert parts(entries, None) == parts(entries, 2) == [entries]
    assert parts([], 1) == []


def test_a_circle_cannot_be_split() -> None:
    """Two that need each other have to be written together."""
    with pytest.raises(Circular):
        parts([entry("a", "b"), entry("b", "a")], 1)


@given(st.data(), st.integers(1, 12), st.integers(1, 5))
def test_each_part_refers_to_itself_and_to_earlier_ones(data: st.DataObject, count: int, most: int) -> None:
    """Whatever refers to whatever without a circle: all are written once, never before what they need."""
    entries = [
        entry(
            str(n), *data.draw(st.lists(st.sampled_from([str(m) for m in range(n)]) if n else st.nothing()))
        )
        for n in range(count)
    ]
    shuffled = data.draw(st.permutations(entries))
    made = parts(shuffled, most)
    assert sorted(one.name for part in made for one in part) == sorted(one.name for one in entries)
    known: set[str] = set()
    for part in made:
        assert len(part) <= most
        known |= {one.name for one in part}
        assert all(set(references_in(one.resource)) <= known for one in part)
