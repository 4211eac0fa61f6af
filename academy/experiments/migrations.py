"""MLflow's tables, made by MLflow's own migrations. Importing this imports MLflow: seconds."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow.store.db.utils as mlflow_db
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, text

from academy.experiments.artifacts import EXPERIMENTS_ROOT

# Wide enough for any job's name and the URI of its artifacts. MLflow's own widths (32 and 200) are
# enforced by PostgreSQL alone.
_RUN_ID_WIDTH = 255
_URI_WIDTH = 1000
_RUN_ID_COLUMNS = ("run_uuid", "run_id", "source_run_id", "source_id", "destination_id")


def create(template: Path) -> None:
    """Make an empty SQLite database with MLflow's tables and its default experiment at ``template``."""
    beside = template.with_name(f".{template.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    store = SqlAlchemyStore(str(URL.create("sqlite", database=str(beside))), EXPERIMENTS_ROOT)
    store._dispose_engine()
    with closing(sqlite3.connect(beside)) as connection:
        connection.execute("VACUUM")
    os.replace(beside, template)


def upgrade(file: Path) -> None:
    """Bring a database that an older MLflow made up to date."""
    engine = create_engine(URL.create("sqlite", database=str(file)))
    mlflow_db._upgrade_db(engine)
    engine.dispose()


def prepare_schema(url: URL, schema: str) -> None:
    """Make or bring up to date the PostgreSQL schema of one workspace."""
    admin = create_engine(url)
    with admin.begin() as connection:
        connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema}"'))
    admin.dispose()
    scoped = url.update_query_dict({"options": f"-csearch_path={schema}"})
    engine = create_engine(scoped)
    if inspect(engine).has_table("alembic_version", schema=schema):
        mlflow_db._upgrade_db(engine)
    else:
        SqlAlchemyStore(scoped.render_as_string(hide_password=False), EXPERIMENTS_ROOT)._dispose_engine()
    _widen(engine, schema)
    engine.dispose()


def _widen(engine: Engine, schema: str) -> None:
    with engine.begin() as connection:
        for table, column, width in _narrow_columns(connection, schema):
            connection.execute(text(f'ALTER TABLE "{table}" ALTER COLUMN "{column}" TYPE VARCHAR({width})'))


def _narrow_columns(connection: Connection, schema: str) -> list[tuple[str, str, int]]:
    query = text(
        "SELECT table_name, column_name, character_maximum_length FROM information_schema.columns "
        "WHERE table_schema = :schema AND data_type = 'character varying'"
    )
    wanted = dict.fromkeys(_RUN_ID_COLUMNS, _RUN_ID_WIDTH) | {"artifact_uri": _URI_WIDTH}
    return [
        (table, column, wanted[column])
        for table, column, length in connection.execute(query, {"schema": schema})
        if column in wanted and length is not None and length < wanted[column]
    ]
