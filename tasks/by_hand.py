"""What a person wants done to an order: the one way in, for the command line and for the Prefect UI."""

from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, ValidationError, model_validator
from sqlmodel import Session

from radflow.clock import utc_now
from radflow.connectors.archive import Wanted, open_archive
from radflow.connectors.errors import Unavailable
from radflow.model import Study
from radflow.order import NotAllowed
from radflow.settings import Site, settings
from radflow.store import by_hand
from radflow.store.by_hand import NotLinked, Person
from radflow.store.engine import Store, store
from radflow.store.orders import UnknownOrder
from radflow.store.tables import OrderRow


class Action(StrEnum):
    """What can be done to an order by hand."""

    HOLD = "hold"
    """Off the worklist, and kept."""
    RESUME = "resume"
    """A held order goes on."""
    CANCEL = "cancel"
    LINK = "link"
    """The study is the order's."""
    UNLINK = "unlink"
    """It is not."""
    RELINK = "relink"
    """It is another order's."""
    RESEND = "resend"
    """The last message to each destination goes out once more."""
    REPUBLISH = "republish"
    """What is published is made and sent anew."""
    CLOSE = "close"
    """Nothing more will come of it."""


_OF_A_STUDY = frozenset({Action.LINK, Action.UNLINK, Action.RELINK})


class Wish(BaseModel):
    """What is to be done, by whom and why. The order's log keeps it: nothing of the patient belongs here."""

    action: Action
    order_key: str = Field(min_length=1)
    by: str = Field(min_length=1, max_length=64, pattern=r"^\S.*$")
    reason: str = Field(default="", max_length=200)
    study_instance_uid: str = Field(default="", max_length=64)
    """Of link, unlink and relink."""
    to_order_key: str = ""
    """Of relink: whose the study is."""

    @model_validator(mode="after")
    def _is_whole(self) -> "Wish":
        if self.action in _OF_A_STUDY and not self.study_instance_uid:
            raise ValueError(f"{self.action} needs a Study Instance UID")
        if self.action is Action.RELINK and self.to_order_key in ("", self.order_key):
            raise ValueError("relink needs the key of another order, whose the study is")
        return self


class CannotBeDone(ValueError):
    """The wish cannot be fulfilled; the text says why, free of patient data."""


def wish(**said: Any) -> Wish:
    """The wish, as a person has said it. Raises CannotBeDone where something is missing or is too long."""
    try:
        return Wish(**said)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        told = (": ".join((*map(str, problem["loc"]), problem["msg"])) for problem in problems)
        raise CannotBeDone(f"{'; '.join(told)}. Nothing is changed.") from None


def fulfil(wish: Wish) -> str:
    """Do it; returns the state of the order afterwards.

    Raises:
        CannotBeDone: there is no such order or study, or the order's state does not allow it.
    """
    who = Person(wish.by, wish.reason, utc_now())
    try:
        study = _in_an_archive(store(), wish) if wish.action is Action.LINK else None
        with store().write() as session:
            _do(session, wish, who, study)
            session.flush()
            return session.get_one(OrderRow, wish.order_key).state
    except UnknownOrder as error:
        raise CannotBeDone(f"There is no order {error}; `radflow orders list` shows them.") from None
    except NotLinked as error:
        raise CannotBeDone(f"Order {wish.order_key} has no study {error}.") from None
    except NotAllowed as error:
        raise CannotBeDone(f"{error}; nothing is changed.") from None


def _do(session: Session, wish: Wish, who: Person, study: Study | None) -> None:
    key, uid = wish.order_key, wish.study_instance_uid
    match wish.action:
        case Action.HOLD:
            by_hand.hold(session, key, who)
        case Action.RESUME:
            by_hand.resume(session, key, who)
        case Action.CANCEL:
            by_hand.cancel(session, key, who, _site_of(session, key).orders.cancel_after_start)
        case Action.LINK:
            assert study is not None
            by_hand.link(session, key, study, who)
        case Action.UNLINK:
            by_hand.unlink(session, key, uid, who, _site_of(session, key).uid_root)
        case Action.RELINK:
            by_hand.relink(session, uid, key, wish.to_order_key, who, _site_of(session, key).uid_root)
        case Action.RESEND:
            by_hand.resend(session, key, who)
        case Action.REPUBLISH:
            by_hand.republish(session, key, who)
        case Action.CLOSE:
            by_hand.close(session, key, who)


def _site_of(session: Session, key: str) -> Site:
    row = session.get(OrderRow, key)
    if row is None:
        raise UnknownOrder(key)
    return settings().site(row.site)


def _in_an_archive(store: Store, wish: Wish) -> Study:
    """The study as the first archive of the order's site that has it shows it."""
    with store.read() as session:
        site = _site_of(session, wish.order_key)
    today = utc_now().astimezone(site.zone).date()
    wanted = [Wanted(wish.study_instance_uid, "", today - timedelta(days=site.finding.look_back_days))]
    silent = []
    for archive in site.archives:
        client = open_archive(archive.model_copy(update={"find_by": "uid-list"}), site.zone)
        try:
            if found := client.find_studies(wanted, today):
                return found[0]
        except Unavailable:
            silent.append(archive.name)
    unsure = f" {', '.join(silent)} did not answer." if silent else ""
    raise CannotBeDone(f"No archive of {site.name} has the study {wish.study_instance_uid}.{unsure}")
