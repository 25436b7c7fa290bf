"""What a person wants done to an order, from the Prefect UI."""

from typing import Any

from prefect import flow
from prefect.states import Completed, Failed

from tasks.by_hand import Action, CannotBeDone, fulfil, wish


@flow(name="by-hand", persist_result=False)
def by_hand(
    action: Action,
    order_key: str,
    by: str,
    reason: str = "",
    study_instance_uid: str = "",
    to_order_key: str = "",
) -> Any:
    """Do something to an order. Its log keeps who did it and why: nothing of the patient belongs here.

    Args:
        action: what is to be done.
        order_key: the order's, as its run is named.
        by: your name.
        reason: why, in a few words.
        study_instance_uid: of link, unlink and relink.
        to_order_key: of relink: the order whose the study is.
    """
    try:
        state = fulfil(
            wish(
                action=action, order_key=order_key, by=by, reason=reason,
                study_instance_uid=study_instance_uid, to_order_key=to_order_key,
            )
        )  # fmt: skip
    except CannotBeDone as error:
        return Failed(message=str(error))
    return Completed(message=f"{order_key} is {state}")
