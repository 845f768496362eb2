"""The tables, for migrations and for whoever reads the database by hand. The hot statements stand in `sqlite.py`."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

resources = sa.Table(
    "resources",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("parent", sa.Text, nullable=False),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Column("private", sa.LargeBinary),
    sa.Index("resources_by_parent", "parent", "key"),
    sa.Index("resources_by_age", "parent", "created", "key"),
    sa.Index("resources_by_type", "type", "key"),
    sqlite_with_rowid=False,
)

facets = sa.Table(
    "facets",
    metadata,
    sa.Column("type", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Index("facets_by_key", "key"),
    sqlite_with_rowid=False,
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("space", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("etag", sa.Text, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

payloads = sa.Table(
    "payloads",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

operations = sa.Table(
    "operations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Column("token", sa.Integer, nullable=False),
    sa.Column("owner", sa.Text),
    sa.Column("leased_until", sa.Float, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Index("operations_due", "leased_until", sqlite_where=sa.text("status = 'InProgress'")),
)

record = sa.Table(
    "record",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("deciding", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("doc", sa.LargeBinary, nullable=False),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("seal", sa.LargeBinary, nullable=False),
    sa.Index("record_by_target", "target", "seq"),
    sa.Index("record_by_caller", "caller", "seq"),
    sa.Index("record_by_kind", "kind", "seq"),
    sa.Index("record_by_id", "id", sqlite_where=sa.text("id <> ''")),
)
