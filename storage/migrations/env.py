"""What Alembic runs to reach the database: the connection that `storage.migration` hands over."""

from __future__ import annotations

from alembic import context

import storage.keeping_tables
import storage.published_tables  # noqa: F401 - their tables belong to the schema
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
