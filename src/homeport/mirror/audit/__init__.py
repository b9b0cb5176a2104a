"""Every pull and push as a record in a hash chain.

In: `Record`. Out: segments that can be queried and verified, and sinks. Used by `flow`.
"""
