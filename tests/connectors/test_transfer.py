"""Sending and fetching instances, one by one: what archives refuse, in whichever way they say it."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.multipart import NotMultipart
from radflow.connectors.transfer.cget import CGetSource
from radflow.connectors.transfer.cstore import CStoreTarget
from radflow.connectors.transfer.instances import Fetched, Listed
from radflow.connectors.transfer.parts import DicomParts, write_first_part
from radflow.connectors.transfer.stow import StowTarget
from radflow.connectors.transfer.syntaxes import MOST, sending, taking
from radflow.connectors.transfer.wado import WadoSource
from radflow.settings import LOOPBACK, DicomWebArchive, DimseArchive
from radflow.simulators.ports import free_port
from tests import images
from tests.connectors.auth_servers import Asked, Server, serving

FIRST, SECOND, THIRD = (images.instance_uid(1, number) for number in range(3))


@pytest.fixture
def fetched(tmp_path: Path) -> list[Fetched]:
    """A study of three instances, as files."""
    found = []
    for number, image in enumerate(images.small_study(1, 3)):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(images.as_file(image))
        found.append(Fetched.from_file(file))
    return found


def web(server: Server) -> DicomWebArchive:
    return DicomWebArchive(kind="dicomweb", name="cloud", url=server.url, timeout_seconds=10)


def dimse(port: int) -> DimseArchive:
    return DimseArchive(
        kind="dimse", name="pacs", host=LOOPBACK, port=port, ae_title="PACS", timeout_seconds=10
    )


def reasons(outcomes: Any) -> dict[str, tuple[str, bool]]:
    return {one.instance: (one.reason, one.later) for one in outcomes}


@contextmanager
def storage_scp(answer: Callable[[Any], int], syntaxes: Sequence[Any]) -> Iterator[int]:
    """A storage SCP for CT in these transfer syntaxes; its port."""
    ae = AE("PACS")
    ae.add_supported_context(CTImageStorage, list(syntaxes))
    server = ae.start_server((LOOPBACK, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, answer)])
    assert server is not None
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()


def test_c_store_says_what_became_of_each(fetched: list[Fetched]) -> None:
    """Refused for good, refused for now, and taken with a warning."""
    statuses = {FIRST: 0xA900, SECOND: 0xA700, THIRD: 0xB007}
    with storage_scp(
        lambda event: statuses[event.request.AffectedSOPInstanceUID], [ExplicitVRLittleEndian]
    ) as port:
        assert reasons(CStoreTarget(dimse(port)).send(fetched)) == {
            FIRST: ("C-STORE: dataset does not match SOP class (0xA900)", False),
            SECOND: ("C-STORE: out of resources (0xA700)", True),
            THIRD: ("", False),
        }


def test_c_store_re_encodes_what_is_not_compressed(fetched: list[Fetched]) -> None:
    """For an archive that takes implicit VR alone; the values stay as they are."""
    came: list[Any] = []

    def keep(event: Any) -> int:
        came.append((event.context.transfer_syntax, event.dataset.PixelData))
        return 0

    with storage_scp(keep, [ImplicitVRLittleEndian]) as port:
        assert set(reasons(CStoreTarget(dimse(port)).send(fetched)).values()) == {("", False)}
    assert came[0] == (ImplicitVRLittleEndian, images.small_study(1)[0].PixelData)


def test_c_store_of_what_the_archive_does_not_take(fetched: list[Fetched]) -> None:
    """A transfer syntax that it accepts for nothing, and for some: said of each, and the others go."""
    compressed = Fetched(FIRST, fetched[0].sop_class, JPEG2000Lossless, fetched[0].file)
    why = f"the target accepts no {CTImageStorage} in transfer syntax {JPEG2000Lossless.name}"
    with storage_scp(lambda _: 0, [ExplicitVRLittleEndian]) as port:
        assert reasons(CStoreTarget(dimse(port)).send([compressed])) == {FIRST: (why, False)}
        assert reasons(CStoreTarget(dimse(port)).send([compressed, fetched[1]])) == {
            FIRST: (why, False), SECOND: ("", False),
        }  # fmt: skip


def test_an_archive_that_is_away(fetched: list[Fetched], tmp_path: Path) -> None:
    """Is tried again, whichever way."""
    port = free_port()
    down = DicomWebArchive(kind="dicomweb", name="cloud", url=f"http://{LOOPBACK}:{port}")
    wanted = [Listed("1", "2", FIRST)]
    for attempt in (
        lambda: list(CStoreTarget(dimse(port)).send(fetched)),
        lambda: CGetSource(dimse(port)).fetch(wanted, tmp_path),
        lambda: list(StowTarget(down, 10**6).send(fetched)),
        lambda: WadoSource(down).fetch(wanted, tmp_path),
    ):
        with pytest.raises(Unavailable, match=r"archive (pacs|cloud)"):
            attempt()


def test_an_archive_without_c_get(tmp_path: Path) -> None:
    """Says what to write instead."""
    with (
        storage_scp(lambda _: 0, [ExplicitVRLittleEndian]) as port,
        pytest.raises(Refused, match='try retrieve_by = "c-move"'),
    ):
        CGetSource(dimse(port)).fetch([Listed("1", "2", FIRST, CTImageStorage)], tmp_path)


def failed(*instances: tuple[str, int]) -> dict[str, Any]:
    """A STOW-RS answer with a Failed SOP Sequence."""
    items = [
        {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
        for uid, reason in instances
    ]
    return {"00081198": {"vr": "SQ", "Value": items}}


def test_stow_partly(fetched: list[Fetched]) -> None:
    """202 and a Failed SOP Sequence: each with its reason."""
    with serving(lambda _: (202, failed((FIRST, 0x0122), (SECOND, 0xA701)))) as server:
        assert reasons(StowTarget(web(server), 10**6).send(fetched)) == {
            FIRST: ("STOW-RS: SOP class not supported (0x0122)", False),
            SECOND: ("STOW-RS: out of resources (0xA701)", True),
            THIRD: ("", False),
        }


def test_stow_in_requests_of_bounded_size(fetched: list[Fetched]) -> None:
    """Two fit into one; the body is what Content-Length says, and the files as they were."""
    size = fetched[0].file.stat().st_size
    with serving(lambda _: (200, {})) as server:
        assert set(reasons(StowTarget(web(server), 2 * size + 9).send(fetched)).values()) == {("", False)}
    assert [asked.body.count(b"DICM") for asked in server.asked] == [2, 1]
    assert fetched[2].file.read_bytes() in server.asked[1].body


def test_stow_refused_as_a_whole(fetched: list[Fetched]) -> None:
    """413 for two, and for the one that is too large: the other is taken."""

    def answer(asked: Asked) -> tuple[int, Any]:
        return (413, {}) if FIRST.encode() in asked.body else (200, {})

    with serving(answer) as server:
        assert reasons(StowTarget(web(server), 10**6).send(fetched)) == {
            FIRST: ("STOW-RS: HTTP 413", False), SECOND: ("", False), THIRD: ("", False),
        }  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), [(503, Unavailable), (429, Unavailable), (403, Refused)])
def test_stow_not_now_or_not_to_us(fetched: list[Fetched], status: int, kind: type[Exception]) -> None:
    """Busy is tried again; a closed door is told."""
    with serving(lambda _: (status, {})) as server, pytest.raises(kind, match=str(status)):
        list(StowTarget(web(server), 10**6).send(fetched))


def test_stow_answered_in_xml(fetched: list[Fetched], monkeypatch: pytest.MonkeyPatch) -> None:
    """The Native DICOM Model, as older servers answer."""
    import httpx

    xml = (
        '<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        '<DicomAttribute tag="00081198" vr="SQ"><Item number="1">'
        f'<DicomAttribute tag="00081155" vr="UI"><Value number="1">{SECOND}</Value></DicomAttribute>'
        '<DicomAttribute tag="00081197" vr="US"><Value number="1">43264</Value></DicomAttribute>'
        "</Item></DicomAttribute></NativeDicomModel>"
    )
    answer = httpx.Response(409, content=xml.encode(), headers={"Content-Type": "application/dicom+xml"})
    target = StowTarget(DicomWebArchive(kind="dicomweb", name="cloud", url="http://x"), 10**6)
    target._client = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
    assert reasons(target.send(fetched)) == {
        FIRST: ("STOW-RS: HTTP 409 without a reason", False),
        SECOND: ("STOW-RS: dataset does not match SOP class (0xA900)", False),
        THIRD: ("STOW-RS: HTTP 409 without a reason", False),
    }


def test_wado_of_what_is_not_there_or_not_dicom(tmp_path: Path) -> None:
    """Told of each instance; the study goes on."""
    answers = {FIRST: (404, {}), SECOND: (200, {"no": "dicom"})}
    with serving(lambda asked: answers[asked.path.rpartition("/")[2]]) as server:
        came, not_come = WadoSource(web(server)).fetch(
            [Listed("1", "2", FIRST), Listed("1", "2", SECOND)], tmp_path
        )
    assert came == []
    assert reasons(not_come) == {
        FIRST: ("WADO-RS: HTTP 404", False),
        SECOND: ("WADO-RS: no readable DICOM file came (InvalidDicomError)", False),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_part_comes_whole_however_it_is_cut(size: int, tmp_path: Path) -> None:
    """The delimiter may lie across chunks, and something like it in the pixels."""
    content = b"DICM\r\n--radflow\r\n\r\n--" + bytes(range(256)) * 8 + b"\r\n-"
    (tmp_path / "one").write_bytes(content)
    body = DicomParts([tmp_path / "one"])
    raw = b"".join(body)
    assert len(raw) == int(body.headers["Content-Length"])
    assert raw == b"".join(body), "it can be read again"
    written = BytesIO()
    chunks = (raw[start : start + size] for start in range(0, len(raw), size))
    write_first_part(body.headers["Content-Type"], chunks, written)
    assert written.getvalue() == content


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/related", b"--x\r\n\r\nDICM\r\n--x--"),
        ("multipart/related; boundary=x", b"--y\r\n\r\nDICM\r\n--y--"),
        ("multipart/related; boundary=x", b"--x\r\n\r\nDICM"),
        ("multipart/related; boundary=x", b""),
        ("multipart/related; boundary=x", b"--x" + b"y" * 100_000),
    ],
)
def test_a_body_that_is_broken(content_type: str, body: bytes) -> None:
    """Is no instance."""
    with pytest.raises(NotMultipart):
        write_first_part(content_type, [body], BytesIO())


def test_an_association_has_no_more_contexts_than_it_may() -> None:
    """128, of which one is for the question itself (PS3.8 §9.3.2.2)."""
    assert MOST < 128
    assert len(taking([])) <= MOST
    assert len(taking(f"1.2.{number}" for number in range(50))) <= MOST
    assert len(sending((f"1.2.{number}", ExplicitVRLittleEndian) for number in range(500))) <= MOST
    assert json.dumps([str(one.abstract_syntax) for one in taking(["1.2.3", "1.2.3", ""])]).count("1.2.3") > 1
