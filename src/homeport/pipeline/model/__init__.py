"""The spine: immutable values handed from stage to stage.

In: nothing. Out: document → config → trigger → pipeline → plan → event. Every other package of
the pipeline imports from here; this package imports only `homeport.errors`.
"""
