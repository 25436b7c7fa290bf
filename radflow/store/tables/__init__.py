"""The tables. Documents (Order, Patient, …) are kept whole as JSON beside the columns searched by."""

from radflow.store.tables.backfills import Backfill, BackfillItem
from radflow.store.tables.catalogue import CatalogueEntry
from radflow.store.tables.columns import UtcDateTime
from radflow.store.tables.inbox import Message, MessageLink
from radflow.store.tables.orders import OrderEvent, OrderRow, ReportRow
from radflow.store.tables.outbox import DestinationState, OutboxMessage, PublicationRow
from radflow.store.tables.overdue import OverdueAlert, OverdueLimits
from radflow.store.tables.patients import PatientIdentifier, PatientRow
from radflow.store.tables.report_sources import ReportSourceState
from radflow.store.tables.studies import (
    ArchiveState,
    HistoricStudyRow,
    StorageCommitmentRow,
    StructuredReportRow,
    StudyCandidate,
    StudyRow,
)
from radflow.store.tables.transfers import TransferItem, TransferRow
from radflow.store.tables.warehouse import WarehousePartition, WarehousePending
from radflow.store.tables.worklist import PerformedStepOrder, PerformedStepRow, WorklistItem

__all__ = [
    "ArchiveState",
    "Backfill",
    "BackfillItem",
    "CatalogueEntry",
    "DestinationState",
    "HistoricStudyRow",
    "Message",
    "MessageLink",
    "OrderEvent",
    "OrderRow",
    "OutboxMessage",
    "OverdueAlert",
    "OverdueLimits",
    "PatientIdentifier",
    "PatientRow",
    "PerformedStepOrder",
    "PerformedStepRow",
    "PublicationRow",
    "ReportRow",
    "ReportSourceState",
    "StorageCommitmentRow",
    "StructuredReportRow",
    "StudyCandidate",
    "StudyRow",
    "TransferItem",
    "TransferRow",
    "UtcDateTime",
    "WarehousePartition",
    "WarehousePending",
    "WorklistItem",
]
