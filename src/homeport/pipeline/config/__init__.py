"""Merged mapping → Config: GitLab's keywords, each folded into one normal form and validated.

In: the merged mapping from `document/` and `include/` (`extends.py` here merges ancestors first).
Out: `Config` with every finding in `problems`, read by `evaluate/` and by `lint`. `compose.py` is
the door; `keyword/` holds one file per keyword, `job.py` puts a job together, `checks.py` looks
across jobs.
"""
