"""Steps from one version of the tables to the next, as Alembic keeps them."""
