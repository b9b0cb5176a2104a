"""Pipeline → Plan: what to run, where and with which variables; still pure data.

In: `Pipeline`, `Trigger` and the user's choices. Out: `Plan`, carried out by `execute/`.
"""
