"""GitLab's state machine of jobs, stages and the pipeline: pure, asked by the scheduler.

In: `StatusJob`s in stages, then actions (success, drop, play, retry …). Out: the statuses that
follow from each action. Used by `execute/scheduler.py`; it decides nothing about time or place.
"""
