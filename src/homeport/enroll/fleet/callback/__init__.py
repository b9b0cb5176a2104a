"""Plugins that ansible loads by their path; nothing here is imported by homeport.

In: ansible's own events. Out: lines of JSON in a file that `run` reads.
"""
