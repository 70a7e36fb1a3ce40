"""What must not be lost: recordings and reports as objects, calls and findings as rows.

The database holds what is queried and what must be agreed on by several processes; audio, manifests
and reports lie in the object store. Both have an embedded form (SQLite, a folder) and one at scale
(PostgreSQL, S3), and callers cannot tell which they have.
"""
