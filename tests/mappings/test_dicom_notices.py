"""What archives tell a webhook."""

from typing import Any

import pytest

from mappings.dicom.notices import NotANotice, studies_named


@pytest.mark.parametrize(
    ("notice", "uids"),
    [
        ({"StudyInstanceUID": "1.2.3"}, ["1.2.3"]),
        ({"StudyInstanceUID": ["1.2.4", "1.2.3"], "anything": "else"}, ["1.2.3", "1.2.4"]),
        ([{"StudyInstanceUID": "1.2.3"}, {"StudyInstanceUID": "1.2.3"}], ["1.2.3"]),
        ({"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}, ["1.2.3"]),
        ({"ChangeType": "StableStudy", "ID": "27f7126f", "ResourceType": "Study", "Seq": 7}, []),
        ([{"StudyInstanceUID": "1.2.3"}, {"ChangeType": "NewStudy", "ID": "27f7126f"}], []),
        ({"ChangeType": "Deleted", "ID": "27f7126f"}, None),
        ({"ChangeType": "StableStudy", "StudyInstanceUID": "1.2.3"}, ["1.2.3"]),
        ([], None),
    ],
)
def test_the_studies_that_are_meant(notice: Any, uids: list[str] | None) -> None:
    """By UID; of Orthanc's own IDs it is only known that studies have come, or that none has."""
    assert studies_named(notice) == uids


@pytest.mark.parametrize(
    "notice",
    [
        "1.2.3",
        7,
        None,
        {},
        {"StudyInstanceUID": ""},
        {"StudyInstanceUID": []},
        {"StudyInstanceUID": "1.2.*"},
        {"StudyInstanceUID": "1\\2"},
        {"StudyInstanceUID": "1" * 65},
        {"StudyInstanceUID": 12},
        {"0020000D": {"vr": "UI"}},
        {"ChangeType": 7},
        [{"StudyInstanceUID": f"1.{number}"} for number in range(1001)],
    ],
)
def test_what_is_no_notice(notice: Any) -> None:
    """No wildcard, no list in disguise, nothing that is no UID."""
    with pytest.raises(NotANotice):
        studies_named(notice)
