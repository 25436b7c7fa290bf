"""What people do to orders in the Prefect UI: runs of the deployment `by-hand`, on a real server."""

from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError

from radflow.connectors.orchestrator import start_deployment
from radflow.store import orders
from tests.e2e.conftest import Hospital, eventually

DEPLOYMENT = "by-hand/radflow"


def asked(**said: Any) -> str:
    """The run that the form makes."""
    return start_deployment(DEPLOYMENT, said)


def ended(run: str) -> State[Any]:
    def state() -> State[Any] | None:
        with get_client(sync_client=True) as client:
            now = client.read_flow_run(UUID(run)).state
        return now if now and now.is_final() else None

    found: State[Any] = eventually(state)
    return found


def test_a_person_holds_an_order_and_lets_it_go_on(hospital: Hospital) -> None:
    """The worklist follows, the log keeps who and why, and the run says how the order stands."""
    hospital.order(1, "HAND")
    eventually(lambda: hospital.all_in("HAND", 1, "worklisted"))
    (row,) = hospital.rows("HAND")
    held = ended(asked(action="hold", order_key=row.key, by="Grace", reason="scanner is down"))
    assert (held.name, held.message) == ("Completed", f"{row.key} is held")
    assert hospital.worklist("HAND") == []
    with hospital.store.read() as session:
        (line,) = (line for line in orders.events_of(session, row.key) if line.event == "order-held")
    assert (line.source, line.detail) == ("person:Grace", {"reason": "scanner is down"})

    assert ended(asked(action="resume", order_key=row.key, by="Grace")).name == "Completed"
    eventually(lambda: hospital.all_in("HAND", 1, "worklisted"))
    assert len(hospital.worklist("HAND")) == 1


def test_what_cannot_be_done_is_said_so_and_changes_nothing(hospital: Hospital) -> None:
    """A run that fails says why, in a sentence; what the form does not offer makes no run."""
    hospital.order(1, "WISH")
    eventually(lambda: hospital.all_in("WISH", 1, "worklisted"))
    (row,) = hospital.rows("WISH")
    with hospital.store.read() as session:
        before = len(orders.events_of(session, row.key))
    for said, why in (
        ({"action": "resume", "by": "Grace"}, "cannot happen"),
        ({"action": "hold", "by": ""}, "by: "),
        ({"action": "unlink", "by": "Grace"}, "Study Instance UID"),
        ({"action": "unlink", "by": "Grace", "study_instance_uid": "1.2.3"}, "has no study 1.2.3"),
        ({"action": "hold", "by": "Grace", "order_key": "nobody"}, "There is no order nobody"),
    ):
        failed = ended(asked(**{"order_key": row.key, **said}))
        assert failed.name == "Failed"
        assert why in (failed.message or ""), said
    with pytest.raises(PrefectHTTPStatusError, match="409"):
        asked(action="shred", order_key=row.key, by="Grace")
    with hospital.store.read() as session:
        assert len(orders.events_of(session, row.key)) == before
