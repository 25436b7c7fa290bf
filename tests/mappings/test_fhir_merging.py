"""Our content and the server's in one resource."""

from typing import Any

from mappings.fhir.merging import merged, same


def identifier(system: str, value: str) -> dict[str, str]:
    return {"system": system, "value": value}


THEIRS: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "7",
    "meta": {"versionId": "3", "lastUpdated": "2026-11-24T09:00:00Z", "tag": [{"code": "theirs"}]},
    "identifier": [identifier("urn:hosp", "4711"), identifier("urn:insurance", "X1")],
    "gender": "unknown",
    "telecom": [{"value": "1"}],
    "birthDate": "1970-03-31",
}
OURS: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [identifier("urn:hosp", "4711")],
    "gender": "male",
}


def test_ours_counts_and_theirs_stays() -> None:
    """An element that we write is ours; every other one is kept, and so is the resource's id."""
    result = merged(THEIRS, OURS)
    assert (result["gender"], result["telecom"], result["id"]) == ("male", [{"value": "1"}], "7")


def test_what_we_wrote_and_say_no_more_is_removed() -> None:
    """Only what was ours; identifiers are never taken away for that."""
    ours = {"resourceType": "Patient"}
    result = merged(THEIRS, ours, written_before={"birthDate", "identifier"})
    assert "birthDate" not in result
    assert result["identifier"] == THEIRS["identifier"]
    assert result["telecom"] == THEIRS["telecom"]


def test_numbers_of_another_system_stay() -> None:
    """A new number replaces the one of its system; what others have numbered it by comes after ours."""
    result = merged(THEIRS, OURS | {"identifier": [identifier("urn:hosp", "4712")]})
    assert result["identifier"] == [identifier("urn:hosp", "4712"), identifier("urn:insurance", "X1")]


def test_the_servers_own_metadata_are_not_sent() -> None:
    """Version and time are the server's to set; tags stay."""
    assert merged(THEIRS, OURS)["meta"] == {"tag": [{"code": "theirs"}]}
    assert "meta" not in merged(THEIRS | {"meta": {"versionId": "3"}}, OURS)
    with_profile = THEIRS | {"meta": {"versionId": "3", "profile": ["theirs"]}}
    tagged = merged(with_profile, OURS | {"meta": {"tag": [{"code": "ours"}]}})
    assert tagged["meta"] == {"profile": ["theirs"], "tag": [{"code": "ours"}]}


def test_the_same_content_is_the_same_whatever_its_version() -> None:
    """Merging what is there already changes nothing, and a difference is seen."""
    once = merged(THEIRS, OURS)
    assert same(once | {"meta": once["meta"] | {"versionId": "4"}}, merged(once, OURS))
    assert not same(THEIRS, once)
