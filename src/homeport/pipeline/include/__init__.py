"""A document with `include:` → one mapping of all the files that can be reached.

In: the root `Document`, a `FileSource` to read the repository with, a `RemoteSource` for other
projects and hosts (`elsewhere`), and the variables and rules of the run (api). Out: `Expanded`: the
merged mapping, the includes that could not be reached, and the chain that led to each file. Used by
`flow`, which hands the mapping to `config/`.
"""
