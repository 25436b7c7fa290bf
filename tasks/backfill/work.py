"""Do items of a backfill: the task that runs on threads or on a Dask cluster."""

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from radflow.connectors.errors import Refused, Unavailable
from radflow.settings.base import ConfigError
from radflow.store import backfills
from radflow.store.backfills import ItemOutcome, Outcome
from radflow.store.engine import store
from tasks.backfill import KINDS, Parameters


@task(name="do_items", cache_policy=NO_CACHE, persist_result=False)
def do_items(kind: str, parameters: dict[str, Any], items: list[tuple[int, str]]) -> dict[str, int]:
    """Do each item and note what became of it, one after another; returns how many of each outcome."""
    what = KINDS[kind].parameters.model_validate(parameters)
    done: dict[str, int] = {}
    for item_id, item in items:
        outcome = _do(kind, what, item)
        with store().write() as session:
            backfills.note(session, item_id, outcome)
        done[outcome.state] = done.get(outcome.state, 0) + 1
    return done


def _do(kind: str, what: Parameters, item: str) -> Outcome:
    try:
        return KINDS[kind].do(what, item)
    except (Unavailable, Refused, ConfigError) as error:
        return Outcome(ItemOutcome.FAILED, {"reason": str(error)})
    except Exception as error:
        # The text of an unforeseen error may hold patient data; its type does not.
        return Outcome(ItemOutcome.FAILED, {"reason": f"unforeseen {type(error).__name__}"})
