"""Running again what is on record: a new environment, the same code and data, metrics compared."""
