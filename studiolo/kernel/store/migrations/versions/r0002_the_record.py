"""One chained record in place of the events. What was there before is chained, and not sealed: the first start seals it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from studiolo.kernel.store.chain import Chain
from studiolo.kernel.store.port import Emit

revision = "0002"
down_revision = "0001"
_BATCH = 1000


def upgrade() -> None:
    """Make the record out of the events."""
    record = op.create_table(
        "record",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "at", "action", "status", "target", "caller", "kind", "reason")),
        sa.Column("deciding", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        *(sa.Column(name, sa.LargeBinary, nullable=False) for name in ("doc", "previous", "digest", "seal")),
    )
    connection = op.get_bind()
    chain = Chain(None, 0, bytes(32))
    events = connection.execute(sa.text("select at, action, status, target, caller, doc from events order by seq"))
    for rows in events.partitions(_BATCH):
        connection.execute(sa.insert(record), [chain.line(Emit(*row))._asdict() for row in rows])
    op.drop_index("events_by_target", "events")
    op.drop_table("events")
    op.create_index("record_by_target", "record", ["target", "seq"])
    op.create_index("record_by_caller", "record", ["caller", "seq"])
    op.create_index("record_by_kind", "record", ["kind", "seq"])
    op.create_index("record_by_id", "record", ["id"], sqlite_where=sa.text("id <> ''"))
