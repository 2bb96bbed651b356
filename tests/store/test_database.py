from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from governance.errors import InputError
from governance.store.database import migrate, open_database, writing
from governance.store.tables import METADATA, tenants
from tests.store.world import NOW


def test_the_migrated_schema_is_that_of_the_tables(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate(engine, "0001_register")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, METADATA) == []
        checks = {c["name"] for name in METADATA.tables for c in sa.inspect(connection).get_check_constraints(name)}
        indexes = {i["name"] for name in METADATA.tables for i in sa.inspect(connection).get_indexes(name)}
    engine.dispose()
    assert checks == {
        str(c.name) for table in METADATA.tables.values() for c in table.constraints if isinstance(c, sa.CheckConstraint)
    }
    assert indexes == {str(index.name) for table in METADATA.tables.values() for index in table.indexes}


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)
    with engine.connect() as connection:
        assert sa.inspect(connection).has_table("ledger")


def test_every_table_of_tenants_data_names_the_tenant() -> None:
    assert [name for name, table in METADATA.tables.items() if "tenant" not in table.c and name != "tenants"] == []


def test_sqlite_is_durable_and_keeps_references(engine: Engine) -> None:
    with engine.connect() as connection:
        settings = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_reader_sees_one_snapshot(engine: Engine) -> None:
    count = sa.select(sa.func.count()).select_from(tenants)
    with engine.connect() as reader:
        assert reader.scalar(count) == 0
        with writing(engine) as connection:
            connection.execute(sa.insert(tenants).values(id="a", made=NOW))
        assert reader.scalar(count) == 0
    with engine.connect() as reader:
        assert reader.scalar(count) == 1


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    def fail() -> None:
        with writing(engine) as connection:
            connection.execute(sa.insert(tenants).values(id="a", made=NOW))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tenants)) == 0


def test_instants_are_read_as_utc_and_naive_ones_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(sa.insert(tenants).values(id="a", made=NOW))
        assert connection.scalar(sa.select(tenants.c.made)) == NOW
        with pytest.raises(sa.exc.StatementError):
            connection.execute(sa.insert(tenants).values(id="b", made=NOW.replace(tzinfo=None)))


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x", ""])
def test_a_url_that_cannot_be_used_says_so(url: str) -> None:
    with pytest.raises(InputError) as caught:
        open_database(url)
    assert caught.value.where == "database_url"
