"""`Metadata` in SQLite: one writing thread, a few reading ones, write-ahead log.

In: values. Out: the same, after any crash. `schema` has the tables, `writer` the transactions,
the other modules one subject's queries each; `metadata` puts them together.
"""
