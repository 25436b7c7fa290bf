"""How a receiver can fail, in the two kinds that decide what happens next."""


class Unavailable(Exception):
    """It could not be reached, or says that it is busy: the step is tried again, later and later."""


class Refused(Exception):
    """It has understood and said no: the order is parked until a person wakes it."""
