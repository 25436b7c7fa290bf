"""Who takes a site's results besides FHIR servers."""

from radflow.settings.base import Section


class Ehr(Section):
    """Who takes results as ORU^R01 over MLLP."""

    name: str = "ehr"
    host: str
    port: int
    receiving_application: str = "EHR"
    receiving_facility: str = ""
    timeout_seconds: float = 30


class Warehouse(Section):
    """Where parquet rows go: a local path or any URL that fsspec knows (`s3://bucket/prefix`)."""

    url: str = ""
    """Empty: `warehouse` under RADFLOW_HOME."""
