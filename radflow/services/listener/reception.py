"""What came in over any wire: it is judged, kept, and answered once it is known whether it was committed."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from mappings.hl7.acceptance import Verdict, judge
from mappings.hl7.ack import acknowledge
from mappings.hl7.ack_modes import (
    NOT_STORED,
    REUSED_CONTROL_ID,
    UNREADABLE,
    Acknowledgment,
    acknowledgments,
)
from mappings.hl7.batch_ack import acknowledge_batch, is_batch
from mappings.hl7.batches import split
from mappings.hl7.errors import ErrorCode, NotTakable
from radflow.services.inbox import Inbox
from radflow.settings import Site
from radflow.store.control_ids import Kept
from radflow.store.messages import Arrival, MessageState

log = structlog.get_logger()

_LONG = 256 * 1024
"""Bytes of a message that is read in a thread, and waited for before more is read from its sender."""
_ANOTHER = re.compile(rb"\A\s*(?:\xef\xbb\xbf\s*)?[FB]HS|[\r\n]\s*MSH")
"""More than one message, perhaps: a batch, or an MSH further down."""
_LONGEST = 200
"""Characters of a header field that are kept as a column: PostgreSQL indexes rows of 2,704 bytes at most."""


@dataclass(frozen=True)
class Taken:
    """A message that is being committed."""

    verdict: Verdict
    digest: str
    kept: "asyncio.Future[Kept | None]"

    @property
    def refusal(self) -> NotTakable | None:
        """Why it is refused, once its fate is known."""
        kept = self.kept.result()
        if kept is None:
            return NOT_STORED
        if kept is Kept.AGAIN:
            # Accepted before: it gets the same answer again.
            return None
        return REUSED_CONTROL_ID if kept is Kept.REUSED else self.verdict.refusal


@dataclass(frozen=True)
class Parcel:
    """What came in one frame or one HTTP request: a message, several, or the messages of a batch."""

    messages: list[Taken]
    batch: bytes = b""
    """The whole, where it is a batch."""

    @property
    def is_settled(self) -> bool:
        """Whether the fate of each message is known."""
        return all(message.kept.done() for message in self.messages)

    @property
    def is_stored(self) -> bool:
        """Whether each was committed, once it is settled."""
        return all(message.kept.result() is not None for message in self.messages)

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` whenever the fate of one of the messages is known, or soon if there is none."""
        for message in self.messages:
            message.kept.add_done_callback(lambda _: then())
        if not self.messages:
            asyncio.get_running_loop().call_soon(then)

    async def settled(self) -> "Parcel":
        """Itself, once it is."""
        for message in self.messages:
            await message.kept
        return self


class Reception:
    """Takes messages for a site."""

    def __init__(self, site: Site, inbox: Inbox, clock: Callable[[], datetime]) -> None:
        self._site, self._inbox, self._clock = site, inbox, clock

    def now(self) -> datetime:
        """A time in the site's zone."""
        return self._clock().astimezone(self._site.zone)

    def take_at_once(self, raw: bytes, peer: str, trouble: str = "") -> Parcel | None:
        """`take` for a message that is soon read; None for what is long, or perhaps several messages."""
        if len(raw) > _LONG or not (trouble or _is_alone(raw)):
            return None
        return Parcel([self._taken(raw, peer, _judge(raw, trouble))])

    async def take(self, raw: bytes, peer: str, trouble: str = "") -> Parcel:
        """Judge what came and hand it over to the inbox, each message of a batch on its own.

        Args:
            peer: `host:port` of the sender.
            trouble: why it cannot be taken whatever is in it; it is kept all the same.
        """
        if parcel := self.take_at_once(raw, peer, trouble):
            return parcel
        # A long message or many of them must not keep other senders waiting.
        parts = [raw] if trouble or _is_alone(raw) else await asyncio.to_thread(split, raw) or [raw]
        messages = [self._taken(part, peer, await asyncio.to_thread(_judge, part, trouble)) for part in parts]
        return Parcel(messages, raw if not trouble and is_batch(raw) else b"")

    def answers(self, parcel: Parcel) -> list[bytes]:
        """What its sender is to hear, once it is settled: an answer, two (§2.9.3) or none to a message, or
        one that holds the answers to a batch.
        """
        if parcel.batch:
            return [self._answer_batch(parcel)]
        return [answer for taken in parcel.messages for answer in self._answers_to(taken)]

    def _answers_to(self, taken: Taken) -> list[bytes]:
        wanted = acknowledgments(taken.verdict.message, taken.refusal)
        return [self._answer(taken, one, number) for number, one in enumerate(wanted)]

    def _answer_batch(self, parcel: Parcel) -> bytes:
        answers = []
        for taken in parcel.messages:
            refusal = taken.refusal
            code = refusal.ack_code if refusal else "AA"
            answers.append(self._answer(taken, Acknowledgment(code, refusal)))
        digest = hashlib.sha256(parcel.batch).hexdigest()
        return acknowledge_batch(parcel.batch, answers, control_id=digest[:20].upper(), now=self.now())

    def _answer(self, taken: Taken, answer: Acknowledgment, number: int = 0) -> bytes:
        return acknowledge(
            taken.verdict.message,
            answer.refusal,
            control_id=taken.digest[20 * number :][:20].upper(),
            now=self.now(),
            code=answer.code,
            application=self._site.application,
            facility=self._site.facility,
        )

    def _taken(self, raw: bytes, peer: str, verdict: Verdict) -> Taken:
        digest = hashlib.sha256(raw).hexdigest()
        return Taken(verdict, digest, self._inbox.keep(self._arrival(raw, digest, peer, verdict)))

    def _arrival(self, raw: bytes, digest: str, peer: str, verdict: Verdict) -> Arrival:
        refusal, now = verdict.refusal, self._clock()
        return Arrival(
            received_at=now,
            site=self._site.name,
            peer=peer,
            sender=_column(f"{verdict.header('MSH-3')}|{verdict.header('MSH-4')}"),
            control_id=_column(verdict.header("MSH-10")),
            message_type=_column(verdict.message_type),
            version=_column(verdict.header("MSH-12")),
            raw=raw,
            digest=digest,
            state=MessageState.QUARANTINED if refusal else MessageState.RECEIVED,
            ack_code=verdict.ack_code,
            reason=refusal.reason if refusal else "",
            unique_since=self._site.listener.unique_since(now),
        )


def _is_alone(raw: bytes) -> bool:
    # What is plain is seen first: the search takes as long as half of the message's reading.
    return (raw.startswith(b"MSH") and raw.find(b"MSH", 3) < 0) or not _ANOTHER.search(raw)


def _judge(raw: bytes, trouble: str) -> Verdict:
    try:
        verdict = judge(raw)
    except Exception as error:
        # Whatever bytes come, the listener lives.
        log.error("a message could not be read", error=type(error).__name__)
        return Verdict(None, UNREADABLE)
    if trouble:
        return Verdict(verdict.message, NotTakable(ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH^1", trouble))
    return verdict


def _column(value: str) -> str:
    """A header field as text that both databases take."""
    return re.sub(r"[\x00-\x1f\ud800-\udfff]", "", value)[:_LONGEST]
