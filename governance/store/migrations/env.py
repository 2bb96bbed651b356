"""Alembic's environment: runs revisions on the connection that `governance.store.database` hands in."""

from __future__ import annotations

from alembic import context

from governance.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
    include_name=lambda name, kind, _: kind != "table" or name in METADATA.tables,
)
with context.begin_transaction():
    context.run_migrations()
