"""The known failures, each looked for: what is wrong, where, and what to do.

In: a `Host`, a mirror, a pipeline's images. Out: `Finding`s.
"""
