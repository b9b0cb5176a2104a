"""Lossless edits of configuration files: JSON, TOML, YAML, with places for errors.

In: text. Out: values with their places; text with some keys changed and all else as it was.
"""
