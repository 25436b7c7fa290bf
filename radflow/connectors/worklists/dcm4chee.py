"""The worklist of dcm4chee-arc-light, by its MWL-RS and PAM-RS: DICOM JSON over HTTP (PS3.18 annex F)."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from pydicom import Dataset

from radflow.connectors.errors import Refused, Unavailable
from radflow.connectors.http_auth import httpx_auth
from radflow.connectors.tls import https_context, sni
from radflow.model import Order
from radflow.settings.worklist_target import Dcm4cheeWorklist

_DICOM_JSON = "application/dicom+json"
_LATER = (408, 425, 429)
_PATIENT = (
    "SpecificCharacterSet", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
)  # fmt: skip


class Dcm4cheeClient:
    """A `WorklistClient`. An item's name there is its Study Instance UID and Scheduled Procedure Step ID."""

    def __init__(self, target: Dcm4cheeWorklist) -> None:
        """Raises ConfigError where a secret or a certificate is not there."""
        self._sni = sni(target.tls)
        self._client = httpx.Client(
            base_url=target.url.rstrip("/") + "/",
            auth=httpx_auth(target.auth),
            verify=https_context(target.tls),
            timeout=target.timeout_seconds,
            trust_env=False,
        )

    def show(self, order: Order, items: Sequence[Dataset], studies: Collection[str]) -> None:
        wanted = {_name(item): item for item in items}
        with self._client:
            there = {_name(item): item for study in sorted(studies) for item in self._of(order, study)}
            for name, item in there.items():
                # An item that is another patient's cannot be given to its new one, it has to be made again.
                if name not in wanted or _patient(item) != _patient(wanted[name]):
                    self._take_off(name)
            for name, item in wanted.items():
                self._put(name, item, was=_status(there[name]) if name in there else "")

    def _of(self, order: Order, study: str) -> Iterator[Dataset]:
        """The order's items in a study; there may be those of a group case's other orders."""
        answer = self._ask("GET", "mwlitems", params={"StudyInstanceUID": study})
        found = answer.json() if answer.content else []
        for item in map(Dataset.from_json, found):
            # Requested Procedure ID (0040,1001) is SH: of a longer one the item has the beginning.
            if item.get("RequestedProcedureID") and order.requested_procedure_id.startswith(
                item.RequestedProcedureID
            ):
                yield item

    def _put(self, name: tuple[str, str], item: Dataset, was: str) -> None:
        """Create or update; dcm4chee takes an item only for a patient that it has."""
        patient = Dataset()
        for keyword in _PATIENT:
            if keyword in item:
                patient[keyword] = item[keyword]
        self._ask("PUT", f"patients/{quote('^^^'.join(filter(None, _patient(item))), safe='')}", patient)
        self._ask("POST", "mwlitems", item)
        if was not in ("", _status(item)):
            self._ask("POST", f"{_path(name)}/status/{_status(item)}")

    def _take_off(self, name: tuple[str, str]) -> None:
        self._ask("DELETE", _path(name), gone_is_fine=True)

    def _ask(
        self, method: str, path: str, body: Dataset | None = None, *, gone_is_fine: bool = False, **more: Any
    ) -> httpx.Response:
        """The answer to a request that has succeeded. The text of another one may name the patient."""
        if body is not None:
            more |= {"json": body.to_json_dict(), "headers": {"Content-Type": _DICOM_JSON}}
        what = f"dcm4chee: {method} {path.partition('/')[0]}"
        try:
            answer = self._client.request(method, path, extensions=self._sni, **more)
        except httpx.HTTPError as error:
            raise Unavailable(f"{what} failed: {type(error).__name__}") from error
        if answer.is_success or (gone_is_fine and answer.status_code == httpx.codes.NOT_FOUND):
            return answer
        if answer.is_server_error or answer.status_code in _LATER:
            raise Unavailable(f"{what} failed: HTTP {answer.status_code}")
        raise Refused(f"{what} is refused: HTTP {answer.status_code}{_hint(answer.status_code)}")


def _hint(status: int) -> str:
    return {
        401: "; see [worklist.target.auth]",
        403: "; the patient has been merged there, or we may not write",
        404: "; is the AE title in the url right?",
        409: "; several patients have the identifier there",
    }.get(status, "")


def _name(item: Dataset) -> tuple[str, str]:
    return str(item.StudyInstanceUID), str(_step(item).get("ScheduledProcedureStepID") or "")


def _patient(item: Dataset) -> tuple[str, str]:
    return str(item.get("PatientID") or ""), str(item.get("IssuerOfPatientID") or "")


def _status(item: Dataset) -> str:
    return str(_step(item).get("ScheduledProcedureStepStatus") or "")


def _step(item: Dataset) -> Dataset:
    step: Dataset = item.ScheduledProcedureStepSequence[0]
    return step


def _path(name: tuple[str, str]) -> str:
    study, step = name
    return f"mwlitems/{study}/{quote(step, safe='')}"
