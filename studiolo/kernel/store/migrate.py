"""Bring a database to the newest schema. The migration tool is loaded only when there is something to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

HEAD = "0001"
"""The newest revision; a test holds it against the migrations folder."""


def is_current(path: Path) -> bool:
    """Whether the SQLite file at `path` is at HEAD already."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as connection:
        try:
            row = connection.execute("select version_num from alembic_version").fetchone()
        except sqlite3.OperationalError:
            return False
    return row is not None and row[0] == HEAD


def migrate(path: Path) -> None:
    """Make or upgrade the SQLite file at `path`."""
    if is_current(path):
        return
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
