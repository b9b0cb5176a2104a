"""The mirror: one OCI registry that is also a pull-through mirror of every upstream registry.

In: a `MirrorConfig` and HTTP requests of clients (hostile). Out: images, an audit, metrics.
`flow.py` reads top to bottom: authenticate → resolve → decide → serve → audit. `app.py` wires it.
"""
