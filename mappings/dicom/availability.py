"""Instance Availability Notification (PS3.4 annex R): what an archive says that it has."""

from collections import Counter
from dataclasses import dataclass

from pydicom import Dataset

from mappings.dicom.mpps_attributes import check_types

_AT_HAND = frozenset({"ONLINE", "NEARLINE"})
"""Instance Availability (0008,0056) of what can be retrieved (PS3.3 §C.4.23.1.1)."""

_NOTICE = {"StudyInstanceUID": 1, "ReferencedSeriesSequence": 1}
_SERIES = {"SeriesInstanceUID": 1, "ReferencedSOPSequence": 1}
_INSTANCE = {
    "ReferencedSOPClassUID": 1,
    "ReferencedSOPInstanceUID": 1,
    "InstanceAvailability": 1,
    "RetrieveAETitle": 1,
}
"""Types of table R.3.2-1, of what is needed here."""


@dataclass(frozen=True)
class Notice:
    """What is available of a study."""

    study_instance_uid: str
    performed_steps: tuple[str, ...]
    """SOP Instance UIDs of the performed steps it was made in (0008,1111)."""
    available: int
    """Instances that can be retrieved, at once or after a while."""
    unavailable: int
    """Instances that are offline or not to be had."""
    retrieve_ae_titles: tuple[str, ...]


def read_notice(attributes: Dataset) -> Notice:
    """The notice of an N-CREATE.

    Raises:
        NotTaken: it is not as PS3.4 table R.3.2-1 wants it.
    """
    check_types([attributes], _NOTICE)
    check_types(attributes.ReferencedSeriesSequence, _SERIES)
    instances = [
        one for series in attributes.ReferencedSeriesSequence for one in series.ReferencedSOPSequence
    ]
    check_types(instances, _INSTANCE)
    at_hand = Counter(str(one.InstanceAvailability).strip() in _AT_HAND for one in instances)
    return Notice(
        study_instance_uid=str(attributes.StudyInstanceUID),
        performed_steps=tuple(
            str(one.get("ReferencedSOPInstanceUID", ""))
            for one in attributes.get("ReferencedPerformedProcedureStepSequence") or ()
        ),
        available=at_hand[True],
        unavailable=at_hand[False],
        retrieve_ae_titles=tuple(sorted({str(one.RetrieveAETitle).strip() for one in instances})),
    )
