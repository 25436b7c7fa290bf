"""What tests share: stores on both databases, and a clock they own."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from radflow.settings import settings
from radflow.simulators.postgresql import find_postgresql, running_postgresql
from radflow.store import engine
from radflow.store.engine import Store
from tests import published

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


_PUBLISHED = pytest.StashKey[int]()


@pytest.fixture(scope="session", autouse=True)
def all_published_is_valid(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Whatever FHIR resource any test publishes is valid R4."""
    yield
    resources = published.published(tmp_path_factory.getbasetemp())
    pytestconfig.stash[_PUBLISHED] = len(resources)
    assert published.problems(resources) == []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if count := config.stash.get(_PUBLISHED, 0):
        terminalreporter.write_line(f"{count} published FHIR resources were seen by both validators")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", type=int, default=0, metavar="TIMES", help="how often tests/soak asks")


@pytest.fixture
def now() -> datetime:
    return NOW


on_sqlite_alone = pytest.mark.parametrize("store", ["sqlite"], indirect=True)
"""For what takes long and is not about the database; what it does there is tested on both elsewhere."""


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty, migrated store; each test that takes it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        file = tmp_path / "store.db"
        shutil.copy(request.getfixturevalue("migrated_file"), file)
        opened = Store(f"sqlite:///{file}")
    else:
        opened = Store(request.getfixturevalue("migrated_database"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of which tests take copies: migrating once saves minutes."""
    file = tmp_path_factory.mktemp("migrated") / "store.db"
    _migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    """The name of a database of which tests take copies."""
    _create_database(postgres_server, "migrated")
    _migrate(postgres_server.format(database="migrated"))
    return "migrated"


@pytest.fixture
def migrated_database(postgres_server: str, migrated_template: str, request: pytest.FixtureRequest) -> str:
    """URL of an empty, migrated database on the tests' PostgreSQL server."""
    name = _database_of(request)
    _create_database(postgres_server, name, migrated_template)
    return postgres_server.format(database=name)


@pytest.fixture
def installed(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's store is the one that commands open; returns the folder of its site files."""
    sites = tmp_path / "sites"
    sites.mkdir()
    (sites / "main.toml").write_text('time_zone = "Europe/Berlin"\n')
    monkeypatch.setenv("RADFLOW_DATABASE_URL", store.url)
    monkeypatch.setenv("RADFLOW_SITES_DIR", str(sites))
    settings.cache_clear()
    engine.store.cache_clear()
    yield sites
    engine.store().close()
    engine.store.cache_clear()
    settings.cache_clear()


@pytest.fixture
def environment_given_back() -> Iterator[None]:
    """For a command that is at home in a folder of its own: its process ends with it, the tests' does not."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()
    engine.store.cache_clear()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server of the tests' own: on a Unix socket, gone when they end."""
    bin_dir = find_postgresql()
    if bin_dir is None:
        pytest.skip("PostgreSQL is not installed (apt install postgresql)")
    with running_postgresql(bin_dir, durable=False) as url:
        yield url.replace("/postgres?", "/{database}?")


@pytest.fixture
def postgres_database(postgres_server: str, request: pytest.FixtureRequest) -> str:
    """URL of an empty database on the tests' PostgreSQL server."""
    name = _database_of(request)
    _create_database(postgres_server, name)
    return postgres_server.format(database=name)


def _database_of(request: pytest.FixtureRequest) -> str:
    return f"t{abs(hash(request.node.nodeid)) % 10**12}"


def _create_database(server: str, name: str, template: str = "template1") -> None:
    import psycopg

    dsn = server.format(database="postgres").replace("+psycopg", "")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def _migrate(url: str) -> None:
    store = Store(url)
    store.migrate()
    store.close()
