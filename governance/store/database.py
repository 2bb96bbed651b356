"""Opening and migrating the database.

Guarantees: SQLite runs in WAL with ``synchronous=FULL`` and foreign keys on; a connection reads one snapshot
from its first statement to its end; a connection with the execution option ``begin="IMMEDIATE"`` takes the
write lock at once, so that what it reads cannot change before it writes.

Example:
    >>> engine = open_database("sqlite:///house.db")       # doctest: +SKIP
    >>> migrate(engine)                                    # doctest: +SKIP
    >>> with writing(engine) as connection: ...            # doctest: +SKIP
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from governance.errors import InputError

__all__ = ["migrate", "open_database", "writing"]

_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_BUSY_MILLISECONDS = 10_000


def open_database(url: str) -> Engine:
    """Open the database behind a SQLAlchemy URL; nothing is created beside an empty SQLite file.

    Args:
        url: ``sqlite:///path``, ``sqlite://`` (memory, for tests) or ``postgresql+psycopg://...``.

    Raises:
        InputError: if the URL or its driver is not usable.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed)
        memory = parsed.database in (None, "", ":memory:")
        options = {"poolclass": StaticPool} if memory else {}
        engine = create_engine(parsed, connect_args={"check_same_thread": False}, **options)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise InputError("the database URL is not usable", where="database_url",
                         hint="sqlite:////path.db or postgresql+psycopg://user@host/name") from error  # fmt: skip
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
    """Settings that hold per connection; transactions are begun by us, not guessed by the driver."""
    del entry
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={_BUSY_MILLISECONDS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Connection) -> None:
    """Begin for real, so that reads share one snapshot and schema changes are transactional."""
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {'IMMEDIATE' if mode == 'IMMEDIATE' else 'DEFERRED'}")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Give a connection in a write transaction; commit at the end, roll back on any exception."""
    with engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
        yield connection


def migrate(engine: Engine, revision: str = "heads") -> None:
    """Bring the schema up to a revision, in one transaction; does nothing if it is there already."""
    with writing(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
