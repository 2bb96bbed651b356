"""The migration makes exactly the tables that the log writes to."""

import importlib.util
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine, inspect, text

from audit.tables import metadata

MIGRATION = Path(__file__).parents[2] / "governance/store/migrations/versions/0002_log.py"


def load():
    spec = importlib.util.spec_from_file_location("log_migration", MIGRATION)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schema(engine):
    with engine.connect() as connection:
        statements = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE name LIKE '%log_%' AND sql IS NOT NULL")).all()
    tables = {name: " ".join(sql.split()) for name, sql in statements}
    return tables, {name: inspect(engine).get_indexes(name) for name in tables if name in metadata.tables}


def test_the_migration_makes_the_tables_of_the_program_and_takes_them_away(tmp_path):
    ours, migrated = create_engine(f"sqlite:///{tmp_path}/a.db"), create_engine(f"sqlite:///{tmp_path}/b.db")
    metadata.create_all(ours)
    migration = load()
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.upgrade()
    assert schema(ours) == schema(migrated)
    assert len(metadata.tables) == 7
    assert (migration.revision, migration.down_revision) == ("0002_log", "0001_register")
    with migrated.begin() as connection, Operations.context(MigrationContext.configure(connection)):
        migration.downgrade()
    assert inspect(migrated).get_table_names() == []
    ours.dispose()
    migrated.dispose()


def test_every_row_carries_its_tenant():
    for table in metadata.tables.values():
        assert table.c.tenant.primary_key
