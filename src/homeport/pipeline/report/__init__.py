"""Events for people and programs: console lines, a summary, JSON lines.

In: `Event`s, and an open stream. Out: text on that stream. Wired to `execute/` by `flow.py`.
"""
