"""What Alembic runs: the migrations, inside the transaction that the caller holds."""

from __future__ import annotations

from alembic import context

from tellapart.store import schema, schema_accounts, schema_runs  # noqa: F401
from tellapart.store.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
