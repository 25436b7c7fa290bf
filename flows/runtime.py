"""What runs a leg: Prefect, or in a simulation nothing but this process."""

from typing import Any, Protocol

from prefect import get_run_logger, suspend_flow_run

from flows.timeline import show
from tasks.run_log import run_log


class Runtime(Protocol):
    def call(self, step: Any, order_key: str) -> Any:
        """Do the step; returns what it has to note."""

    def log(self) -> Any:
        """A logger for what may be said of an order: nothing of its patient."""

    def show(self, order_key: str) -> None:
        """Bring what ops see of the order up to date."""

    def suspend(self, wait: str) -> None:
        """End the leg here. Does not return: it raises what only the runtime catches.

        Args:
            wait: a name that no other wait of the order has had.
        """


class PrefectRuntime:
    """The leg is a piece of a flow run; its steps are task runs."""

    def call(self, step: Any, order_key: str) -> Any:
        return step(order_key)

    def log(self) -> Any:
        return get_run_logger()

    def show(self, order_key: str) -> None:
        show(order_key)

    def suspend(self, wait: str) -> None:
        # A key of its own for each wait: Prefect skips a pause whose key it has seen before.
        suspend_flow_run(timeout=None, key=wait)


class Rested(BaseException):
    """The leg is over, its order rests."""


class DirectRuntime:
    """The same legs without Prefect: for simulated days and for tests of what becomes of orders."""

    def call(self, step: Any, order_key: str) -> Any:
        return step.fn(order_key)

    def log(self) -> Any:
        return run_log()

    def show(self, order_key: str) -> None:
        """There is no UI."""

    def suspend(self, wait: str) -> None:
        raise Rested(wait)


PREFECT = PrefectRuntime()
