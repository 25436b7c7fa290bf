"""Which messages are taken before the ACK, and why the others are not."""

import contextlib
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.hl7.acceptance import TAKEN, VERSIONS, judge
from mappings.hl7.catalogues import read_catalogue
from mappings.hl7.errors import ErrorCode, NotTakable
from mappings.hl7.orders import read_orders
from mappings.hl7.patients import read_patients
from mappings.hl7.reader import Hl7Message
from mappings.hl7.reports import read_reports
from mappings.hl7.schedules import read_schedules
from tests.hl7_builders import an_adt, an_mfn, an_omg, an_omi, an_orm, an_oru, an_siu, message
from tests.peers import SAMPLES

UTC_ZONE = ZoneInfo("UTC")

ANSWERS = {
    "dcm4che-ADT_A31-UpdatePersonInfo": "AA",
    "dcm4che-OMI_O23-ImagingOrder": "AA",
    "dcm4che-ORU_R01-PDF": "AA",
    "dcm4che-SIU_S12-NewAppointmentBooking": "AA",
    "rethinkhealth-adt-a01": "AA",
    "rethinkhealth-adt-a01-basic": "AA",
    "rethinkhealth-adt-a01-full": "AA",
    "rethinkhealth-dft-p03-charge": "AR 200",
    "rethinkhealth-edge-crlf-line-endings": "AA",
    "rethinkhealth-edge-custom-delimiters": "AA",
    "rethinkhealth-edge-empty-segments": "AA",
    "rethinkhealth-edge-escaped-delimiters": "AA",
    "rethinkhealth-edge-field-repetitions": "AA",
    "rethinkhealth-edge-non-ascii": "AA",
    "rethinkhealth-edge-z-segments": "AA",
    "rethinkhealth-invalid-missing-msh": "AR 100",
    "rethinkhealth-invalid-segment-header-length": "AE 100",
    # Empty fields at the end of a segment are well-formed (§2.6.2): only that parser is stricter.
    "rethinkhealth-invalid-trailing-empty-fields": "AA",
    "rethinkhealth-invalid-wrong-version": "AR 203",
    "rethinkhealth-mdm-t02-document": "AR 200",
    "rethinkhealth-orm-o01": "AA",
    "rethinkhealth-orm-o01-order": "AA",
    "rethinkhealth-oru-r01": "AA",
    "rethinkhealth-oru-r01-lab": "AA",
    "rethinkhealth-siu-s12-schedule": "AA",
}
"""Messages of others (`../shared/samples/hl7`) → MSA-1, and the error code (table 0357)."""

needs_samples = pytest.mark.skipif(
    not (SAMPLES / "hl7").is_dir(), reason=f"no {SAMPLES}: samples are not here"
)


def answer(raw: bytes) -> str:
    verdict = judge(raw)
    return f"{verdict.ack_code} {verdict.refusal.code.value}" if verdict.refusal else verdict.ack_code


@needs_samples
@pytest.mark.parametrize("name", ANSWERS)
def test_the_messages_of_others(name: str) -> None:
    """What is well-formed and of a type that is taken is taken; all else is answered right."""
    assert answer((SAMPLES / "hl7" / f"{name}.hl7").read_bytes()) == ANSWERS[name]


@needs_samples
def test_no_sample_is_forgotten() -> None:
    """A file that is added has to have its answer above."""
    assert {file.stem for file in Path(SAMPLES / "hl7").glob("*.hl7")} == set(ANSWERS)


def a_message(kind: str, version: str) -> bytes:
    code, _, event = kind.partition("^")
    match code:
        case "ADT":
            return an_adt(event, msh_12=version)
        case "SIU":
            return an_siu(event, msh_12=version)
        case "MFN":
            return an_mfn(event, msh_12=version)
    return {"ORM": an_orm, "OMG": an_omg, "OMI": an_omi, "ORU": an_oru}[code](msh_12=version)


@pytest.mark.parametrize("kind", TAKEN)
def test_each_type_in_each_version(kind: str) -> None:
    """2.1 to 2.8, with segments of the site's own at the end."""
    for version in VERSIONS:
        verdict = judge(a_message(kind, version) + b"ZXX|1|anything^at&all\rZ99\r")
        assert (verdict.ack_code, verdict.message_type) == ("AA", kind)


@pytest.mark.parametrize(
    ("msh_9", "segments", "kind"),
    [
        ("ADT", ["EVN|A08", "PID|1||4711"], "ADT^A08"),
        ("ADT^^ADT_A01", ["EVN|A04", "PID|1||4711"], "ADT^A04"),
        ("ADT^A08^ADT_A01", ["EVN|A01", "PID|1||4711"], "ADT^A08"),
        ("ORM", ["PID|1||4711", "ORC|CA|P1"], "ORM^O01"),
        ("OMI^^OMI_O23", ["PID|1||4711", "ORC|CA|P1"], "OMI^O23"),
        ("OMG", ["PID|1||4711", "ORC|CA|P1"], "OMG^O19"),
        ("ORU", ["PID|1||4711", "OBR|1|P1", "OBX|1|TX|||x||||||F"], "ORU^R01"),
        ("SIU^^SIU_S12", ["SCH|1"], "SIU^S12"),
        ("MFN", ["MFI|LOC", "MFE|MAD|1||RAD"], "MFN^M05"),
        ("MFN", ["MFI|CDM", "MFE|MAD|1||CT"], "MFN^M01"),
    ],
)
def test_msh_9_in_part(msh_9: str, segments: list[str], kind: str) -> None:
    """The type alone, with the event elsewhere; MSH-9.2 is believed before EVN-1."""
    verdict = judge(message(msh_9, "M1", *segments))
    assert (verdict.ack_code, verdict.message_type) == ("AA", kind)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (message("ADT", "M1", "PID|1||4711"), "AR 201"),
        (message("ADT^^ADT_A01", "M1", "PID|1||4711"), "AR 201"),
        (message("ADT^A99", "M1", "PID|1||4711"), "AR 201"),
        (message("", "M1"), "AR 200"),
        (message("QRY^A19", "M1"), "AR 200"),
        (message("ADT^A01", "M1", "PID|1||4711", "a line of text"), "AE 100"),
        (message("ADT^A01", "M1", "PID|1||4711", "pv1|1"), "AE 100"),
    ],
)
def test_what_is_not_taken(raw: bytes, said: str) -> None:
    """An event that nothing tells is not guessed."""
    assert answer(raw) == said


def test_a_refusal_says_what_would_be_taken() -> None:
    """Words for the people of the sender, and nothing of the patient."""
    other = judge(message("DFT^P03", "M1")).refusal
    event = judge(message("SIU^S17", "M1")).refusal
    line = judge(message("ADT^A01", "M1", "PID|1||4711", "Müller")).refusal
    assert other
    assert event
    assert line
    assert "ADT, MFN, OMG, OMI, ORM, ORU, SIU" in other.reason
    assert event.code is ErrorCode.UNSUPPORTED_EVENT_CODE
    assert "S12, S13, S14, S15, S26" in event.reason
    assert line.reason == "Line 3 does not begin with a segment's name."


SEGMENTS = st.sampled_from(
    ["PID|1||4711", "PID", "MRG|1", "PV1|1|I", "EVN|A40|x", "ORC|NW|P1", "ORC|RP|P2", "ORC|RO|P3",
     "OBR|1|P1||CT", "IPC|A|B|1.2", "TQ1|||||||2026", "ZDS|1.2", "SCH|1", "AIS|1||CT|x", "RGS|1", "MFI|OMA",
     "MFE|MAD|1||CT", "STF|1", "LOC|A^B", "OBX|1|TX|||x||||||F", "OBX|1|ED|||^^^Hex^zz", "NTE|1"]
)  # fmt: skip
NOISE = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    kind=st.sampled_from([*TAKEN, "ADT", "MFN", "DFT^P03"]),
    segments=st.lists(
        SEGMENTS | st.builds(lambda known, noise: known + noise, SEGMENTS, NOISE) | NOISE, max_size=8
    ),
    charset=st.sampled_from(["", "8859/1", "UNICODE UTF-8", "~ISO IR87", "KS X 1001"]),
)
def test_whatever_comes_is_read_or_refused(kind: str, segments: list[str], charset: str) -> None:
    """Nothing but NotTakable comes out of judging or of reading, in whatever order segments come."""
    raw = message(kind, "M1", *segments, msh_18=charset)
    verdict = judge(raw)
    if verdict.refusal or verdict.message is None:
        assert verdict.ack_code in ("AE", "AR")
        return
    with contextlib.suppress(NotTakable):
        _read(verdict.message_type, verdict.message)


@given(st.binary(max_size=300))
def test_any_bytes_have_a_verdict(junk: bytes) -> None:
    """AA, AE or AR, and never another exception."""
    for raw in (junk, b"MSH|^~\\&|" + junk, an_orm() + junk, an_adt("A40") + junk, an_omi() + junk):
        assert judge(raw).ack_code in ("AA", "AE", "AR")


def _read(kind: str, message: Hl7Message) -> None:
    match kind.partition("^")[0]:
        case "ADT":
            read_patients(message, zone=UTC_ZONE)
        case "SIU":
            read_schedules(message, site="main", zone=UTC_ZONE)
        case "MFN":
            read_catalogue(message, site="main", zone=UTC_ZONE)
        case "ORU":
            read_reports(message, site="main", zone=UTC_ZONE)
        case _:
            read_orders(message, site="main", zone=UTC_ZONE, uid_root="2.25")
