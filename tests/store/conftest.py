from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from governance.store.database import migrate, open_database, writing
from tests.store.world import Keys, furnish


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'house.db'}")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with writing(engine) as connection:
        yield connection


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def world(connection: Connection, keys: Keys) -> Connection:
    furnish(connection, keys)
    return connection
