"""Many machines: the zipapp of this package, carried to each by ansible.

In: an inventory. Out: a report of who is enrolled, drifted, unreachable.
"""
