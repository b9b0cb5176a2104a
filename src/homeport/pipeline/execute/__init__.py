"""Carry out a plan: schedule, run, collect; everything that happens comes out as events.

In: a `Plan`. Out: `Event`s to a sink, logs and artifacts in the run's state folder. Used by
`flow.py`. Concurrency is threads, one per running job (ADR 0003).
"""
