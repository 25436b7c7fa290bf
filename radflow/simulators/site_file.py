"""The file of a site that is simulated: one archive, and an EHR that takes results."""

from pathlib import Path

from radflow.settings import LOOPBACK


def write_site(
    file: Path,
    *,
    archive_port: int,
    archive_ae_title: str,
    ehr_port: int,
    mllp_port: int = 0,
    worklist_port: int = 0,
    time_zone: str = "UTC",
) -> None:
    """Write it. All is on the loopback address; a port 0 of ours is one that is free."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"""# Written by a simulation.
time_zone = "{time_zone}"

[listener]
port = {mllp_port}

[worklist]
port = {worklist_port}
ae_title = "RADFLOW"

[[archives]]
kind = "dimse"
name = "pacs"
host = "{LOOPBACK}"
port = {archive_port}
ae_title = "{archive_ae_title}"

[[destinations]]
kind = "mllp"
name = "ehr"
host = "{LOOPBACK}"
port = {ehr_port}
takes = ["results"]
"""
    )
