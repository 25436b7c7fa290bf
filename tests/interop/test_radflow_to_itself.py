"""Our clients and our listener, over each wire that they have in common."""

from datetime import datetime
from pathlib import Path

import pytest

from radflow.connectors.hl7_http import Hl7HttpClient, HttpRefused
from radflow.connectors.mllp import MllpRefused, MllpUnavailable
from radflow.settings import LOOPBACK, HttpListener
from radflow.settings.tls import ClientTls
from radflow.store.engine import Store
from tests.certificates import Certificates
from tests.hl7_builders import an_orm, an_oru
from tests.listening import BOUND, a_site, listening_doors, stored


def test_https_both_ways(store: Store, now: datetime, tmp_path: Path) -> None:
    """Mutual TLS with another name in the certificate than in the URL, and a password."""
    certificates = Certificates.made_in(tmp_path)
    (tmp_path / "password").write_text("geheim")
    http = HttpListener(
        port=0, user="ehr", password_file=tmp_path / "password", max_message_bytes=50_000,
        tls=certificates.server("named", client_certificates=True),
    )  # fmt: skip
    site = a_site().model_copy(update={"http": http})
    tls = certificates.client("client", server_name="receiver.hospital.example")
    with listening_doors(store, lambda: now, site) as ports:
        url = f"https://{LOOPBACK}:{ports['main/http']}/hl7"
        with Hl7HttpClient(url, timeout=BOUND, tls=tls, user="ehr", password="geheim") as client:
            assert client.send(an_orm("M1")).code == "AA"
            with pytest.raises(MllpRefused, match="AE, error 101"):
                client.send(an_oru("M2", changes={"PID": {3: ""}, "OBR": {2: ""}}))
            with pytest.raises(HttpRefused, match="413"):
                client.send(an_orm("M3", msh_3="x" * 60_000))
            assert client.send(an_orm("M4", msh_15="NE", msh_16="NE")).code == "CA"
        for wrong in (ClientTls(), certificates.client("stranger", server_name=tls.server_name)):
            with Hl7HttpClient(url, timeout=BOUND, tls=wrong) as client, pytest.raises(MllpUnavailable):
                client.send(an_orm("M5"))
    assert [row.control_id for row in stored(store)] == ["M1", "M2", "M4"]
