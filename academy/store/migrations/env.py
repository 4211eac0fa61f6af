"""Alembic's entry: runs the migrations on the connection that ``open_database`` hands over."""

from alembic import context

from academy.store.tables import metadata, revisions

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=revisions.name,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
