"""Point container engines at a mirror, prove that they use it, and undo it cleanly.

In: a `Request` (which mirror, which mode, which registries) and a `Host` (this machine). Out: an
`EnrollPlan`, then changed files, reloaded engines, and a journal from which everything is undone.

This package runs on other machines as one zipapp, on whatever Python is there: it uses the standard
library alone, Python 3.9 or newer, and nothing else of homeport.
"""
