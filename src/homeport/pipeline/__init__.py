"""GitLab CI pipelines: evaluated exactly as GitLab does, then run on this machine.

In: a working tree with its `.gitlab-ci.yml`, a trigger and the settings. Out: the evaluated
pipeline (list, lint, render, explain), or events of a run. Used by the commands in `cli/`, which
call `flow.py` and nothing below it.
"""
