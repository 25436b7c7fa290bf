"""Who may ask a worklist, and what of it is shown to whom."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from radflow.model import ScheduledProcedureStep
from radflow.settings import LOOPBACK, Worklist
from radflow.settings.services import Modality
from radflow.store.engine import Store
from tests.services.worklisted import found, names_asked, put, serving

MODALITIES = (
    Modality(ae_title="CT_CONSOLE", station_aets=("CT1", "CT2"), modalities=("CT",)),
    Modality(ae_title="MR1"),
    Modality(ae_title="DESK", sees="all"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.migrate()
    yield opened
    opened.close()


def a_step(step_id: str, modality: str, *stations: str) -> ScheduledProcedureStep:
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    return ScheduledProcedureStep(step_id=step_id, modality=modality, start=start, station_aet=stations)


def a_day(store: Store, now: datetime) -> None:
    for number, step in enumerate(
        (a_step("CT-1", "CT", "CT1"), a_step("CT-2", "CT", "CT9", "CT2"), a_step("MR-1", "MR", "MR1"),
         a_step("US-1", "US", "ct1"), a_step("NOWHERE-CT", "CT"), a_step("NOWHERE-MR", "MR"))
    ):  # fmt: skip
        put(store, now, f"P{number}", steps=(step,))


@pytest.mark.parametrize(
    ("calling", "expected"),
    [
        ("CT_CONSOLE", ["CT-1", "CT-2", "NOWHERE-CT"]),
        ("MR1", ["MR-1", "NOWHERE-CT", "NOWHERE-MR"]),
        ("DESK", ["CT-1", "CT-2", "MR-1", "US-1", "NOWHERE-CT", "NOWHERE-MR"]),
        ("SOMEONE", ["CT-1", "CT-2", "MR-1", "US-1", "NOWHERE-CT", "NOWHERE-MR"]),
    ],
)
def test_a_modality_is_shown_its_own(store: Store, now: datetime, calling: str, expected: list[str]) -> None:
    """By calling AE title: what is scheduled for its stations, or for none, and of its modalities."""
    a_day(store, now)
    with serving(store, modalities=MODALITIES) as service:
        answers = found(service.port, names_asked(), calling=calling)
    assert [
        answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for answer in answers
    ] == expected


def associate(port: int, calling: str, called: str) -> Association:
    ae = AE(calling)
    ae.add_requested_context(ModalityWorklistInformationFind)
    return ae.associate(LOOPBACK, port, ae_title=called)


@pytest.mark.parametrize(
    ("calling", "called", "diagnostic"),
    [("STRANGER", "RADFLOW", 0x03), ("ct1", "RADFLOW", 0x03), ("MR1", "OTHER", 0x07)],
)
def test_who_is_not_known_is_rejected(store: Store, calling: str, called: str, diagnostic: int) -> None:
    """A-ASSOCIATE-RJ, permanent, by the user: calling or called AE title not recognised (PS3.8 §9.3.4)."""
    options = {"modalities": MODALITIES, "known_modalities_only": True, "own_ae_title_only": True}
    with serving(store, **options) as service:
        refused = associate(service.port, calling, called)
        assert refused.is_rejected
        answer = refused.acceptor.primitive
        assert answer
        assert (answer.result, answer.result_source, answer.diagnostic) == (0x01, 0x01, diagnostic)
        welcome = associate(service.port, "MR1", "RADFLOW")
        assert welcome.is_established
        welcome.release()


def test_a_site_without_such_settings_takes_anyone(store: Store) -> None:
    """As most do: any AE title may call any."""
    with serving(store) as service:
        welcome = associate(service.port, "STRANGER", "OTHER")
        assert welcome.is_established
        welcome.release()


def test_a_step_without_a_station_is_scheduled_where_its_modality_is() -> None:
    """Scheduled Station AE Title is type 1: the site's modalities say which stations there are."""
    settings = Worklist(modalities=MODALITIES)
    assert (settings.stations("CT"), settings.stations("US")) == (("CT1", "CT2"), ())


@pytest.mark.parametrize(
    "settings",
    [
        {"known_modalities_only": True},
        {"modalities": [{"ae_title": "CT1"}, {"ae_title": "CT1"}]},
        {"modalities": [{"ae_title": "A\\B"}]},
        {"modalities": [{"ae_title": "X" * 17}]},
        {"modalities": [{"ae_title": " CT1"}]},
        {"ae_title": ""},
    ],
)
def test_settings_that_would_lock_out_or_confuse_are_refused(settings: dict[str, object]) -> None:
    """A list of known modalities without one, an AE title that is none, one given twice."""
    with pytest.raises(ValidationError):
        Worklist.model_validate(settings)
