"""Token buckets: global, per upstream, per client network, fair among clients.

In: byte counts. Out: the wait before they may pass. Used by `pull`.
"""
