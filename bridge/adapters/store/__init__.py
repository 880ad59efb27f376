"""The durable store of one race: one SQLite file, written by one thread."""
