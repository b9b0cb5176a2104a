"""Leaf nouns that know nothing of pipelines or registries.

In: plain values. Out: git, atomic files, redaction, units. Used by every package above; imports
only `homeport.errors`.
"""
