"""CI/CD variables: which there are, which of them wins, and what is in them once expanded.

In: a `Trigger`, the variables of the configuration and of the user. Out: plain mappings for the
conditions, `ScopedVariable`s for a job. Used by `conditions/` (expansion), `evaluate/` and `plan/`;
`execute/` expands a job's variables when the job starts.
"""
