"""The benches that start every service, each at its smallest."""

import json
import math
import subprocess
import sys

import pytest

from radflow.deploy import PROJECT
from radflow.simulators.postgresql import find_postgresql

needs_postgresql = pytest.mark.skipif(
    find_postgresql() is None, reason="PostgreSQL is not installed (apt install postgresql)"
)


@pytest.mark.parametrize(
    ("name", "size", "cases"),
    [
        pytest.param(
            "orders", "2", {"2 orders": "orders/s", "from ORU to running leg: P95": "s"},
            marks=needs_postgresql,
        ),
        pytest.param("legs", "2", {"2 legs": "CPU s/leg"}, marks=needs_postgresql),
        (
            "backfill", "2001",
            {
                "killed half-way and resumed, 2001, threads": "orders/s",
                "killed half-way and resumed, 2001, dask": "orders/s",
                "killed half-way and resumed, 2001: files that differ, of 9": "files",
            },
        ),
        ("idle", "10", {"10 waiting: memory": "MB", "10 waiting: CPU": "% of a core"}),
    ],
)  # fmt: skip
@pytest.mark.timeout(900)
def test_a_bench_that_starts_everything(name: str, size: str, cases: dict[str, str]) -> None:
    command = ["bench", name, "--size", size, "--seconds", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "radflow", *command], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    results = {one["case"]: one for one in json.loads(done.stdout)["results"]}
    assert {case: results[case]["unit"] for case in cases} == cases
    assert all(math.isfinite(one["ours"]) and one["ours"] >= 0 for one in results.values())
    if name == "backfill":
        assert results["killed half-way and resumed, 2001: files that differ, of 9"]["ours"] == 0
    if name == "legs":
        assert results["2 legs"]["peer_name"] == "Prefect's process worker"
        assert results["2 legs"]["ratio"] > 1
