"""What an archive tells a webhook of → the Study Instance UIDs (0020,000D) it means."""

import re
from typing import Any

_UID = re.compile(r"[0-9][0-9.]{0,63}")
"""PS3.5 §9.1; what modalities make of it is taken too."""

_MOST = 1000
"""Studies in one notice."""

_OF_A_STUDY = frozenset({"NewStudy", "StableStudy", "StablePatient", "NewSeries", "StableSeries"})
"""Orthanc's ChangeType where images have come."""


class NotANotice(ValueError):
    """The JSON names no study; the text says what is wanted."""


def studies_named(notice: Any) -> list[str] | None:
    """The studies of a notice: an object, or a list of them.

    `{"StudyInstanceUID": "1.2.3"}` (or a list of UIDs), DICOM JSON (PS3.18 annex F), or a change as Orthanc's
    REST interface has it (`{"ChangeType": "StableStudy", "ID": …}`), whose ID is no UID.

    Returns:
        Their UIDs; an empty list when studies have come and it is not said which; None when nothing has.

    Raises:
        NotANotice: it is none of these.
    """
    each = [_named(one) for one in (notice if isinstance(notice, list) else [notice])]
    told = [uids for uids in each if uids is not None]
    if not told:
        return None
    if any(not uids for uids in told):
        return []
    named = sorted({uid for uids in told for uid in uids})
    if len(named) > _MOST:
        raise NotANotice(f"A notice names {_MOST} studies at most.")
    return named


def _named(notice: Any) -> list[str] | None:
    if not isinstance(notice, dict):
        raise NotANotice("A JSON object with StudyInstanceUID is wanted, or a list of them.")
    value = notice.get("StudyInstanceUID", notice.get("0020000D"))
    if value is None and isinstance(notice.get("ChangeType"), str):
        return [] if notice["ChangeType"] in _OF_A_STUDY else None
    if isinstance(value, dict):
        value = value.get("Value")
    uids = value if isinstance(value, list) else [value]
    if not uids or not all(isinstance(uid, str) and _UID.fullmatch(uid) for uid in uids):
        raise NotANotice("StudyInstanceUID (0020,000D) is missing, or is no UID.")
    return [str(uid) for uid in uids]
