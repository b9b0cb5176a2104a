"""What an operator asks: health, metrics, status, usage, explain; the catalog; enrolment canaries.

In: a request. Out: a `Reply`. Used by `flow`.
"""
