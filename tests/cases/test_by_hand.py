"""What people do to orders by hand: by the command line, and by the deployment in the Prefect UI."""

import json
from typing import Any

import pytest
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from flows.by_hand import by_hand
from radflow.cli import app
from tasks.by_hand import Action
from tests.cases.hospital import Hospital


def radflow(*arguments: str, code: int = 0) -> Any:
    """The answer of a command, in JSON; what it says where it fails."""
    answer = CliRunner().invoke(app, [*arguments, "--json"])
    assert answer.exit_code == code, answer.output
    return answer.output if code else json.loads(answer.stdout)


def on(hospital: Hospital, action: str, *more: str, code: int = 0) -> Any:
    """Do it to order P1, and have done what follows."""
    done = radflow("orders", action, hospital.key("P1"), *more, code=code)
    hospital.settle()
    return done


def test_hold_and_resume(hospital: Hospital) -> None:
    """Who did it and why is in the log; the RIS is told."""
    hospital.send(hospital.order("P1"))
    assert on(hospital, "hold", "--reason", "scanner is down")["state"] == "held"
    assert hospital.items("P1") == []
    (line,) = (line for line in hospital.log("P1") if line.event == "order-held")
    assert line.source.startswith("person:")
    assert line.detail == {"reason": "scanner is down"}
    on(hospital, "resume")
    assert (hospital.state("P1"), len(hospital.items("P1"))) == ("worklisted", 1)
    assert hospital.told_ris()[1].get("ORC-1") == "HD"
    assert "cannot happen" in on(hospital, "resume", code=2)


def test_cancel(hospital: Hospital) -> None:
    """As the placer would; once images exist the site's rule holds for people too."""
    hospital.send(hospital.order("P1"), hospital.order("P2"))
    on(hospital, "cancel")
    assert (hospital.state("P1"), hospital.items("P1")) == ("cancelled", [])
    assert "CA" in [told.get("ORC-1") for told in hospital.told_ris()]
    hospital.image("P2")
    assert "cannot happen" in radflow("orders", "cancel", hospital.key("P2"), code=2)
    assert hospital.state("P2") == "acquired"


def test_close_and_late_images(hospital: Hospital) -> None:
    """Off the worklist; images that come all the same open it again."""
    hospital.send(hospital.order("P1"))
    images = hospital.study(hospital.item("P1"))
    on(hospital, "close", "--reason", "done elsewhere")
    assert (hospital.state("P1"), hospital.items("P1")) == ("closed", [])
    on(hospital, "link", str(images[0].StudyInstanceUID), code=2)
    hospital.keep(images)
    on(hospital, "link", str(images[0].StudyInstanceUID))
    assert hospital.state("P1") == "acquired"
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"


def test_link_and_unlink(hospital: Hospital) -> None:
    """A study without the order's numbers; taken away again it is withdrawn, and not found again."""
    hospital.send(hospital.order("P1"))
    uid = generate_uid()
    hospital.keep(hospital.study(hospital.item("P1"), StudyInstanceUID=uid, AccessionNumber="TYPED"))
    on(hospital, "link", uid, "--reason", "accession number was typed")
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "published"
    (study,) = hospital.fhir("ImagingStudy")
    assert study["status"] == "available"

    on(hospital, "unlink", uid, "--reason", "another patient")
    assert hospital.state("P1") == "reported-without-images"
    (study,) = hospital.fhir("ImagingStudy")
    assert study["status"] == "entered-in-error"
    hospital.advance(minutes=61)
    assert hospital.sweep() == set()
    assert "has no study" in on(hospital, "unlink", uid, code=2)


def test_one_of_two_studies_is_unlinked(hospital: Hospital) -> None:
    """The other one stays, and is published alone."""
    hospital.send(hospital.order("P1"))
    second = generate_uid()
    item = hospital.item("P1")
    hospital.keep(hospital.study(item, StudyInstanceUID=second, AccessionNumber="TYPED"))
    hospital.image("P1")
    on(hospital, "link", second)
    hospital.send(hospital.report("P1"))
    assert len(hospital.fhir("ImagingStudy")) == 2
    on(hospital, "unlink", second)
    assert hospital.state("P1") == "published"
    assert sorted(one["status"] for one in hospital.fhir("ImagingStudy")) == ["available", "entered-in-error"]


def test_resend_and_republish(hospital: Hospital) -> None:
    """Resent under the same MSH-10; published anew under another one, and no resource twice."""
    hospital.publish("P1")
    (first,) = hospital.results()
    on(hospital, "resend")
    assert [told.get("MSH-10") for told in hospital.results()] == [first.get("MSH-10")] * 2
    assert hospital.state("P1") == "published"
    on(hospital, "republish", "--reason", "the EHR has lost it")
    assert hospital.state("P1") == "published"
    assert len(hospital.results()) == 3
    assert hospital.results()[-1].get("MSH-10") != first.get("MSH-10")
    assert len(hospital.fhir("DiagnosticReport")) == 1
    log = [line.event for line in hospital.log("P1")]
    assert ("sending-asked" in log, "republication-asked" in log) == (True, True)


def test_resend_of_what_was_refused(hospital: Hospital) -> None:
    """The order waits for its EHR: sent again and taken, it goes on to published."""
    hospital.send(hospital.order("P1"))
    hospital.image("P1")
    taken, hospital.ehr.answer = hospital.ehr.answer, "AR"
    hospital.send(hospital.report("P1"))
    assert hospital.state("P1") == "reported"
    hospital.ehr.answer = taken
    on(hospital, "resend")
    assert hospital.state("P1") == "published"


def test_a_performed_step_that_never_ended(hospital: Hospital) -> None:
    """Closed by hand: its order is to be done again, and a person sees why."""
    hospital.send(hospital.order("P1"))
    step = hospital.begin(hospital.item("P1"))
    assert hospital.state("P1") == "started"
    done = radflow("mpps", "close", step, "--reason", "console crashed")
    hospital.settle()
    assert done["status"] == "DISCONTINUED"
    assert (hospital.state("P1"), len(hospital.items("P1"))) == ("worklisted", 1)
    (line,) = (line for line in hospital.log("P1") if line.event == "acquisition-abandoned")
    assert line.source.startswith("person:")
    assert "already" in radflow("mpps", "close", step, code=2)


def test_there_is_no_such_order(hospital: Hospital) -> None:
    """It says so, and where to look."""
    assert "radflow orders list" in radflow("orders", "hold", "main-nothing", code=2)


def test_the_deployment_does_the_same(hospital: Hospital) -> None:
    """The flow of the UI with its typed parameters; what cannot be done fails with the reason."""
    hospital.send(hospital.order("P1"))
    done = by_hand.fn(Action.HOLD, hospital.key("P1"), "ann", "scanner is down")
    assert (done.type, done.message) == ("COMPLETED", f"{hospital.key('P1')} is held")
    (line,) = (line for line in hospital.log("P1") if line.event == "order-held")
    assert (line.source, line.detail) == ("person:ann", {"reason": "scanner is down"})
    assert by_hand.fn(Action.HOLD, hospital.key("P1"), "ann").type == "FAILED"


@pytest.mark.parametrize(("action", "study"), [(Action.LINK, ""), (Action.RELINK, "1.2")])
def test_the_form_says_what_is_missing(action: Action, study: str) -> None:
    """Before anything is done."""
    schema = by_hand.parameters.model_dump()
    assert set(schema["required"]) == {"action", "order_key", "by"}
    said = by_hand.fn(action, "main-x", "ann", study_instance_uid=study)
    assert said.is_failed()
    assert f"{action} needs" in said.message
