"""What is known around an order that is published: findings, endpoints, fellow orders, messages."""

from collections.abc import Sequence

from mappings.fhir.provenance import SourceMessage
from mappings.fhir.report_source import RESOURCE_TYPE
from mappings.fhir.result import Around
from radflow.settings import DicomWebArchive
from radflow.store import sources, structured_reports
from radflow.store.engine import store
from tasks.result import Result

_RESULTS = ("ORU", "MDM", RESOURCE_TYPE)
"""Message types (MSH-9.1), and the resource, that bring results; the others speak of the order."""


def read_around(result: Result) -> Around:
    """As the store and the site file have it now."""
    uids = [study.study_instance_uid for study in result.studies]
    with store().read() as session:
        messages = sources.messages_of(session, result.order.key)
        return Around(
            structured_reports=structured_reports.of_order(session, result.order.key, uids),
            endpoints={
                archive.name: archive.url
                for archive in result.site.archives
                if isinstance(archive, DicomWebArchive)
            },
            fellows=sources.fellows_of(session, result.order, uids),
            order_messages=_of(messages, results=False),
            result_messages=_of(messages, results=True),
        )


def _of(messages: Sequence[SourceMessage], *, results: bool) -> list[SourceMessage]:
    return [message for message in messages if message.message_type.startswith(_RESULTS) is results]
