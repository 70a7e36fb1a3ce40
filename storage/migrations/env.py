"""What Alembic runs to reach the database: the connection that `storage.migration` hands over."""

from __future__ import annotations

from alembic import context

# Their tables belong to the schema.
import storage.console_tables
import storage.keeping_tables
import storage.review_tables
import storage.trail_tables
import storage.unmask_tables  # noqa: F401
from storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    # SQLite's DDL is transactional once the driver leaves transactions to us, see storage.engine.
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
