"""How a receiver can fail, in the two kinds that decide what happens next."""

from datetime import timedelta


class Unavailable(Exception):
    """It could not be reached, or says that it is busy: the step is tried again, later and later."""

    retry_after: timedelta = timedelta(0)
    """How long it asks not to be asked again."""


class Refused(Exception):
    """It has understood and said no: the order is parked until a person wakes it."""
