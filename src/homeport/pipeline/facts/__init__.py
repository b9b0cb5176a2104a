"""What is true of the repository: its commit, branch, remote, files and changes.

In: a working tree. Out: a `Trigger`, and a `Facts` that answers what the configuration asks. Used
by `flow`. The only code of the evaluation that starts processes, and only git.
"""
