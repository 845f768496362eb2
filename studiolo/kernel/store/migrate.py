"""Bring a database to the newest schema.

A new file is made from the ready schema beside this module, an old one goes through the migrations; a test holds both
against each other. The migration tool is therefore loaded only when there is an old file to lift.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Final

HEAD: Final = "0002"
"""The newest revision; a test holds it against the migrations folder."""


def migrate(path: Path) -> None:
    """Make or upgrade the SQLite file at `path`."""
    found = revision(path)
    if found is None:
        create(path)
    elif found != HEAD:
        upgrade(path)


def revision(path: Path) -> str | None:
    """The revision of the SQLite file at `path`; None if it is new or was never finished."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as connection:
        try:
            row = connection.execute("select version_num from alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
    return row[0] if row else None


def create(path: Path) -> None:
    """Make the newest schema in one transaction."""
    script = (resources.files(__package__ or "") / "schema.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(f"begin immediate;\n{script}\ninsert into alembic_version (version_num) values ('{HEAD}');\ncommit;")


def upgrade(path: Path) -> None:
    """Run the migrations that the file has not seen."""
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
