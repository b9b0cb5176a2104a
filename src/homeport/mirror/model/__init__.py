"""The values that the mirror's parts hand to each other; no I/O, no clock, nothing heavy.

In: nothing. Out: frozen structs. Used by every part of `homeport.mirror`.
"""
