"""Where a resource comes from → Provenance (v2-to-FHIR: ORC[Provenance], MSH): which messages, which study.

R4's Provenance has no identifier. It bears one as a tag, and is found by that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mappings.fhir.datatypes import Element, filled, instant, terminology
from mappings.fhir.identifiers import own_identifier, under
from mappings.fhir.people import Who, organization_reference
from mappings.fhir.report_source import RESOURCE_TYPE
from radflow.model import CodedConcept, Practitioner


@dataclass(frozen=True)
class SourceMessage:
    """An HL7 message, or a resource of another server, that told something of an order."""

    control_id: str
    """MSH-10; of a resource `Type/id/_history/version`."""
    sender: str
    """MSH-3 | MSH-4; of a resource the source that it was fetched from."""
    message_type: str
    """MSH-9, as in `ORU^R01`; the type of a resource."""
    received_at: datetime


def provenance(
    kind: str,
    key: str,
    targets: Sequence[str],
    *,
    messages: Sequence[SourceMessage],
    recorded: datetime | None = None,
    studies: Sequence[str] = (),
    documents: Sequence[str] = (),
    agents: Sequence[tuple[str, Practitioner]] = (),
    on_behalf_of: CodedConcept | None = None,
    who: Who,
    base: str,
) -> Element:
    """What these targets were made from.

    Args:
        kind: `order` or `result`: names the Provenance together with the order's key.
        key: the order's.
        targets: refer to what was made.
        messages: which told it, first come first.
        recorded: when it was told, where no message did.
        studies: refer to ImagingStudies that it was read from.
        documents: SOP Instance UIDs of SR documents.
        agents: who took part, and as what (code system provenance-participant-type).
        on_behalf_of: for which organization the order was entered (ORC-17).
        who: refers to physicians.
        base: the site's URI for systems of identifiers.
    """
    organization = {"onBehalfOf": organization_reference(on_behalf_of, base)} if on_behalf_of else {}
    tag = own_identifier("provenance", f"{key}/{kind}", base)
    return filled(
        {
            "resourceType": "Provenance",
            "meta": {"tag": [{"system": tag["system"], "code": tag["value"]}]},
            "target": [{"reference": target} for target in targets],
            "recorded": instant(max((message.received_at for message in messages), default=recorded)),
            "activity": terminology("v3-DataOperation", "UPDATE" if len(messages) > 1 else "CREATE"),
            "agent": [
                _agent("assembler", {"type": "Device", "display": "radflow"}),
                *_senders(messages, base),
                *(
                    _agent(role, person) | (organization if role == "enterer" else {})
                    for role, one in agents
                    if (person := who(one))
                ),
            ],
            "entity": [
                *(_source(_message(one, base)) for one in messages),
                *(_source({"reference": study}) for study in studies),
                *(_source(_document(uid)) for uid in documents),
            ],
        }
    )


def _agent(role: str, who: Element) -> Element:
    return {"type": terminology("provenance-participant-type", role), "who": who}


def _senders(messages: Sequence[SourceMessage], base: str) -> list[Element]:
    senders = dict.fromkeys(message.sender for message in messages)
    return [
        _agent(
            "author",
            {
                "type": "Device",
                "identifier": {"system": under(base, "application"), "value": sender},
                "display": sender,
            },
        )
        for sender in senders
        if sender.strip("|").strip()
    ]


def _source(what: Element) -> Element:
    return {"role": "source", "what": what}


def _message(message: SourceMessage, base: str) -> Element:
    """MSH-10 within its sender (MSH-3, MSH-4); a version of a resource within its server."""
    fetched = message.message_type == RESOURCE_TYPE
    system = under(under(base, "report-source" if fetched else "message"), message.sender)
    return {
        "type": RESOURCE_TYPE if fetched else "MessageHeader",
        "identifier": {"system": system, "value": message.control_id},
        "display": message.message_type,
    }


def _document(uid: str) -> Element:
    """An instance of a study: R4 has no resource for it."""
    return {"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}, "display": "DICOM SR"}
