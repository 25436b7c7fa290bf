"""Report → ORU^R01 for those who placed the order (IHE RAD-28), as each receiver wants it.

`mappings.hl7.reports` reads the same report back from it.

| Report | ORU^R01 (v2.5.1 §7.3.1) |
|---|---|
| placer and filler order number, accession number | OBR-2, OBR-3, OBR-18 |
| Study Instance UID (0020,000D) of each study found | an OBX ST each, OBX-3 113014 (DCM) |
| status | OBR-25, OBX-11 |
| text, addenda | OBX TX or FT |
| attachments | OBX ED, base64 |
| observations, and those of SR documents | OBX NM, SN, CWE, … |
| notes | NTE after the OBR |
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from mappings.hl7 import times
from mappings.hl7.charsets import CODECS
from mappings.hl7.encoding import ce, components, ei, ndl, text
from mappings.hl7.reports import ADDENDUM, STUDY
from mappings.hl7.written_observations import observation_segments, plain
from mappings.hl7.written_segments import (
    Envelope,
    comment,
    header,
    patient_segments,
    segment,
    visit_segments,
)
from radflow.model import Attachment, CodedConcept, Order, Report, ReportedObservation, Value

_NARRATIVE = "18748-4^Diagnostic imaging study^LN"
_ADDENDUM = f"{ADDENDUM}^Addendum Document^LN"
_TAKEN_BACK = "X"
"""OBR-25 and OBX-11: there is no result, or none any more."""


class ResultsAs(Value):
    """How a receiver wants results (`[destinations.results_as]`)."""

    version: Literal["2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8"] = "2.5.1"
    """MSH-12."""
    character_set: Literal[
        "UNICODE UTF-8", "ASCII", "8859/1", "8859/2", "8859/5", "8859/7", "8859/9", "8859/15"
    ] = "UNICODE UTF-8"
    """MSH-18. What it does not have is sent as a question mark."""
    text: Literal["TX-lines", "TX", "FT"] = "TX-lines"
    r"""An OBX TX for each line; one OBX TX with a repetition for each line; or one OBX FT, with `\.br\`."""
    addenda: Literal["appended", "own"] = "appended"
    """At the end of the text, or each as OBX of its own: OBX-3 is LOINC's addendum, OBX-4 counts them."""
    documents: bool = True
    """PDF and other documents of the report, as OBX ED."""
    observations: Literal["none", "report", "all"] = "report"
    """Structured OBX: of the report itself; `all`: also measurements of DICOM SR documents."""


_USUAL = ResultsAs()


def result_message(
    order: Order,
    report: Report,
    envelope: Envelope,
    *,
    studies: Sequence[str] = (),
    wanted: ResultsAs = _USUAL,
    measured: Sequence[ReportedObservation] = (),
) -> bytes:
    """The report's present version, in the character set that is wanted.

    Args:
        studies: Study Instance UIDs of the order's studies; while none is found it is the order's own.
        measured: what SR documents of the order say (`mappings.hl7.sr_results`); sent where that is wanted.
    """
    lines = [
        header("ORU^R01^ORU_R01", wanted.version, envelope, wanted.character_set),
        *patient_segments(order.patient, envelope.zone),
        *visit_segments(order),
        _obr(order, report, envelope),
        *(comment(number, note) for number, note in enumerate(report.notes, start=1)),
        *_results(studies or [order.study_instance_uid], report, envelope, wanted, measured),
    ]
    return "".join(f"{line}\r" for line in lines).encode(CODECS[wanted.character_set], errors="replace")


def _obr(order: Order, report: Report, envelope: Envelope) -> str:
    """OBR (§7.4.1)."""
    zone = envelope.zone
    return segment(
        "OBR",
        {
            1: "1",
            2: ei(order.placer_order_number),
            3: ei(order.filler_order_number),
            4: ce(report.code if report.code != CodedConcept() else order.procedure),
            7: times.from_utc(report.observed, zone),
            8: times.from_utc(report.ended, zone),
            18: text(order.accession_number),
            19: text(order.requested_procedure_id),
            22: times.from_utc(report.issued, zone),
            24: text(report.section),
            25: text(_status(report)),
            32: ndl(report.interpreter),
            33: [ndl(one) for one in report.assistant_interpreters],
            34: [ndl(one) for one in report.technicians],
            35: [ndl(one) for one in report.transcriptionists],
        },
    )


def _results(
    studies: Sequence[str],
    report: Report,
    envelope: Envelope,
    wanted: ResultsAs,
    measured: Sequence[ReportedObservation],
) -> Iterator[str]:
    """OBX (§7.4.2): the studies, the narrative, the documents, what was measured; OBX-1 counts them."""
    number = 0
    for value_type, name, sub_id, value in _told(studies, report, wanted):
        number += 1
        yield plain(number, value_type, name, value, sub_id=sub_id, status=_status(report))
    structured = {"none": (), "report": report.observations, "all": (*report.observations, *measured)}
    for one in structured[wanted.observations]:
        number += 1
        yield from observation_segments(number, one, envelope.zone, wanted.version, _status(report))


def _status(report: Report) -> str:
    """HL7 tables 0123 and 0085, which have the same code for what is taken back."""
    return _TAKEN_BACK if report.withdrawn else report.status


_Told = tuple[str, str, str, str | list[str]]
"""OBX-2, OBX-3, OBX-4, OBX-5."""


def _told(studies: Sequence[str], report: Report, wanted: ResultsAs) -> Iterator[_Told]:
    for number, uid in enumerate(studies, start=1):
        yield "ST", f"{STUDY}^DICOM Study^DCM", str(number) if studies[1:] else "", text(uid)
    addenda = report.addenda if wanted.addenda == "own" else ()
    words = report.text_without(addenda)
    if _status(report) == _TAKEN_BACK and not words:
        # The receiver's text is to go: an OBX of its name, with nothing in it (§7.4.2.11).
        yield wanted.text[:2], _NARRATIVE, "", ""
    yield from _worded(words, _NARRATIVE, "", wanted)
    for number, addendum in enumerate(addenda, start=1):
        yield from _worded(addendum, _ADDENDUM, str(number), wanted)
    if wanted.documents:
        for attachment in report.attachments:
            yield "ED", _NARRATIVE, "", _ed(attachment)


def _worded(words: str, name: str, sub_id: str, wanted: ResultsAs) -> Iterator[_Told]:
    if not words:
        return
    lines = [text(line) for line in words.split("\n")]
    if wanted.text == "TX-lines":
        yield from (("TX", name, sub_id, line) for line in lines)
    elif wanted.text == "TX":
        yield "TX", name, sub_id, "~".join(lines)
    else:
        yield "FT", name, sub_id, "\\.br\\".join(lines)


def _ed(attachment: Attachment) -> str:
    """ED (§2A.24): the type of data is a MIME type's first part, the subtype its second."""
    main, _, subtype = attachment.content_type.partition("/")
    return components("", main, subtype, "Base64", "".join(attachment.data.split()))
