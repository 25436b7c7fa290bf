"""The worklist part of a dcm4chee-arc-light, as far as an order needs it: no substitute, a strict reader.

There is no dcm4chee to be installed in a test. What this one checks, and with which status, is what MwlRS
and PamRS of dcm4chee-arc-light 5.3x check: content type, well-formed DICOM JSON (an object, PS3.18 annex F),
an AE title that is configured, a patient that exists, one Scheduled Procedure Step item, an item that stays
its patient's, a status that there is.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydicom import Dataset

from tests.connectors.auth_servers import Asked

ROOT = "/dcm4chee-arc/aets/DCM4CHEE/rs/"
STATUSES = "SCHEDULED|ARRIVED|READY|STARTED|DEPARTED|CANCELED|DISCONTINUED|COMPLETED"
Answer = tuple[int, Any]


@dataclass
class Dcm4chee:
    """Its patients and worklist items, and whether it is away."""

    items: dict[tuple[str, str], Dataset] = field(default_factory=dict)
    """(Study Instance UID, Scheduled Procedure Step ID) → item."""
    patients: dict[str, Dataset] = field(default_factory=dict)
    """`ID^^^ISSUER` → patient."""
    away: bool = False

    def answer(self, asked: Asked) -> Answer:
        """A handler for `auth_servers.serving`."""
        url = urlsplit(asked.path)
        if self.away:
            return 503, {}
        if not url.path.startswith(ROOT):
            return 404, {"errorMessage": "No such Application Entity"}
        path = [unquote(part) for part in url.path.removeprefix(ROOT).split("/")]
        match asked.method, path:
            case "GET", ["mwlitems"]:
                return self._search({key: value[0] for key, value in parse_qs(url.query).items()})
            case "POST", ["mwlitems"]:
                return self._take(_read(asked))
            case "DELETE", ["mwlitems", study, step]:
                return (204, None) if self.items.pop((study, step), None) else (404, {"errorMessage": "none"})
            case "POST", ["mwlitems", study, step, "status", status]:
                return self._set_status((study, step), status)
            case "PUT", ["patients", identifier]:
                return self._keep_patient(identifier, _read(asked))
        return 405, {}

    def _search(self, keys: dict[str, str]) -> Answer:
        found = [
            item.to_json_dict()
            for item in self.items.values()
            if all(str(item.get(key, "")) == value for key, value in keys.items())
        ]
        return (200, found) if found else (204, None)

    def _take(self, item: Dataset | None) -> Answer:
        if item is None:
            return 400, {"errorMessage": "not DICOM JSON"}
        if not item.get("PatientID"):
            return 400, {"errorMessage": "Missing patient identifiers in request payload"}
        if len(item.get("ScheduledProcedureStepSequence") or ()) != 1:
            return 400, {"errorMessage": "Missing or empty Scheduled Procedure Step Sequence (0040,0100)"}
        if _identifier(item) not in self.patients:
            return 404, {"errorMessage": f"Patient[id={_identifier(item)}] does not exist."}
        step = item.ScheduledProcedureStepSequence[0]
        name = (str(item.StudyInstanceUID), str(step.ScheduledProcedureStepID))
        known = self.items.get(name)
        if known is not None and _identifier(known) != _identifier(item):
            return 400, {"errorMessage": "PatientMismatchException"}
        if known is not None:
            # Its status is changed by the resource for that alone.
            step.ScheduledProcedureStepStatus = _status(known)
        self.items[name] = item
        return 200, item.to_json_dict()

    def _set_status(self, name: tuple[str, str], status: str) -> Answer:
        if not re.fullmatch(STATUSES, status):
            return 400, {}
        if name not in self.items:
            return 404, {"errorMessage": "not found."}
        self.items[name].ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus = status
        return 204, None

    def _keep_patient(self, identifier: str, patient: Dataset | None) -> Answer:
        if patient is None or not patient.get("PatientID"):
            return 400, {"errorMessage": "missing Patient ID in message body"}
        if identifier != _identifier(patient):
            return 409, {"errorMessage": "a change of identifier is not what is tested"}
        self.patients[identifier] = patient
        return 204, None


def _read(asked: Asked) -> Dataset | None:
    if asked.headers.get("content-type") not in ("application/dicom+json", "application/json"):
        return None
    body = json.loads(asked.body)
    if not isinstance(body, dict) or not all(re.fullmatch(r"[0-9A-F]{8}", tag) for tag in body):
        return None
    return Dataset.from_json(body)


def _identifier(dataset: Dataset) -> str:
    return "^^^".join(filter(None, (str(dataset.PatientID), str(dataset.get("IssuerOfPatientID") or ""))))


def _status(item: Dataset) -> str:
    return str(item.ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus)
