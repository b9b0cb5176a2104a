"""Hostile input: whatever comes in, a value or `UsageError` comes out, in time linear in its size.

`targets.py` are the functions under attack. Used by the tests here (hypothesis, bounded, part of
`make test`) and by `make fuzz` (atheris, for as long as one likes).
"""
