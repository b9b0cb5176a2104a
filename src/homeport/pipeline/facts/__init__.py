"""What is true of the repository: its commit, branch, remote, files and changes.

In: a working tree, and what the user wants simulated (`wanted.py`). Out: a `Trigger` with the
variables from outside the CI file, and a `Facts` that answers what the configuration asks. Used by
`flow`. The only code of the evaluation that starts processes, and only git.
"""
