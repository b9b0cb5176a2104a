"""HTTP to values and back: listeners, TLS, routes, ranges, sendfile, failures.

In: sockets. Out: `Request` to `flow`, its `Reply` on the wire. Used by `app`.
"""
