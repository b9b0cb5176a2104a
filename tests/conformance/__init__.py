"""GitLab's semantics as data, put to the code: one adapter for each kind of vector.

In: folders of `*.jsonl` (tests/vectors/README.md). Out: `Outcome` per case. Used by
`make conformance` (`python -m conformance DIR`) and by tests/unit/test_conformance.py.
"""
