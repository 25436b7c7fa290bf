"""How publishing FHIR can fail."""

from radflow.connectors.errors import Refused, Unavailable


class FhirUnavailable(Unavailable):
    """The server cannot be reached, does not answer in time, or says that it may work later."""


class FhirConflict(FhirUnavailable):
    """Somebody else has written what we were about to write: look again, then try again."""


class FhirRefused(Refused):
    """The server has understood and said no. The text holds issue codes and paths, never its diagnostics."""


class FhirInvalid(Refused, ValueError):
    """The resources are not valid R4, and were not sent. The text holds paths, never values."""
