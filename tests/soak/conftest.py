"""What is asked thousands of times: left out unless `--soak TIMES` says how often."""

import pytest


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How often to ask."""
    count = int(request.config.getoption("--soak"))
    if not count:
        pytest.skip("asked for by --soak TIMES")
    return count
