"""Alembic's entry: runs the migrations on the connection that ``open_database`` hands over."""

from alembic import context

from academy.store.tables import metadata

# MLflow keeps a table alembic_version of its own; ours has another name so that both fit in one database.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="academy_alembic_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
