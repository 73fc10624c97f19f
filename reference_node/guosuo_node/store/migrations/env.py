"""Alembic runs this; the connection and its transaction are the caller's."""

from alembic import context

from guosuo_node.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=True,
)
context.run_migrations()
