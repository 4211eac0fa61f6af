"""The tables of the store. Alembic migrations in ``migrations/`` bring older homes up to them."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

# One row an ARM document. `key` and `collection` are lower-case ids; `id` keeps the caller's spelling.
documents = Table(
    "documents",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("key", String(700), nullable=False, unique=True),
    Column("collection", String(700), nullable=False),
    Column("id", String(700), nullable=False),
    Column("body", JSON, nullable=False),
    Column("archived", Boolean, nullable=False, default=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("modified_at", Float(53), nullable=False),
    Index("documents_by_collection", "collection", "sequence"),
)

# Labels point at a version of a container: ("…/environments/e", "production") -> "3".
labels = Table(
    "labels",
    metadata,
    Column("container", String(700), primary_key=True),
    Column("label", String(255), primary_key=True),
    Column("version", String(255), nullable=False),
)

# Who did what to which resource, in order. Rows are only ever added.
audit = Table(
    "audit",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("who", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("resource", Text, nullable=False),
    Column("revision", Integer, nullable=True),
    Index("audit_by_resource", "resource", "sequence"),
)

# What learners did in labs, in order. Rows are only ever added.
lab_events = Table(
    "lab_events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("at", Float(53), nullable=False),
    Column("who", String(255), nullable=False),
    Column("lab", String(100), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("task", String(100), nullable=True),
    Column("data", JSON, nullable=False),
    Index("lab_events_by_lab", "lab", "sequence"),
)

# The audit trail: sealed records, chained by hash. Rows are only ever added. `body` is the record's JSON with
# the values that are hashed, `key` is `id` in lower case, `audit_sequence` the act that the record is about.
ledger = Table(
    "ledger",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("audit_sequence", Integer, nullable=True),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ledger_by_key", "key", "sequence"),
    Index("ledger_by_act", "audit_sequence"),
)

# Alembic's own table. MLflow keeps one of the usual name; this one lets both live in one database.
revisions = Table(
    "academy_alembic_version",
    metadata,
    Column("version_num", String(32), primary_key=True),
)
