"""`./run demo`, as a new user starts it."""

import json
import os
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from radflow.deploy import PROJECT


@pytest.mark.timeout(1000)
def test_the_demo_ends_with_every_order_published(tmp_path: Path) -> None:
    """It ends by itself, says on stdout what became of each order, and leaves nothing running."""
    environment = {**os.environ, "RADFLOW_HOME": str(tmp_path), "UV_OFFLINE": "1"}
    demo = subprocess.run(
        ["./run", "demo", "--orders", "2", "--json"],
        cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stderr
    told = json.loads(demo.stdout)
    assert told["ok"]
    assert len(told["orders"]) == 2
    for order in told["orders"]:
        assert set(order["stages"]) == {"received", "worklisted", "acquired", "reported", "published"}
        assert all(datetime.fromisoformat(at).utcoffset() is not None for at in order["stages"].values())
        kinds = {reference.partition("/")[0] for reference in order["published"]}
        assert kinds >= {"Patient", "ServiceRequest", "ImagingStudy", "DiagnosticReport"}
    assert "Simulated:" in demo.stderr
