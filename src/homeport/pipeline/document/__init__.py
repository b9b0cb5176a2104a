"""Text to values: one file's YAML as GitLab's Ruby reads it, every value with its place.

In: the bytes of a file. Out: a `Document` (load), merged mappings (merge), resolved `!reference`
tags (reference), interpolated inputs (inputs), and YAML again (dump). Used by `include/`, then
by `config/`.
"""
