"""What `rules:` asks: expressions, patterns and globs.

In: the text of a condition, variables, facts. Out: true, false or unresolved, with what was looked
at. Used by `evaluate/` (rules, only/except), by `include/` (include:rules), and the globs also by
`execute/` (artifacts, cache).
"""
