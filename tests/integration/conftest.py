"""The CI files of public repositories are their owners': they lie beside this repository, if at
all, and the tests that read them are collected only where they do (CONTRIBUTING, "Tests")."""

import os
from pathlib import Path

REAL_PIPELINES = Path(
    os.environ.get("HOMEPORT_REAL_PIPELINES", Path(__file__).parents[3] / "shared" / "pipelines")
)
collect_ignore = [] if REAL_PIPELINES.is_dir() else ["test_real_pipelines.py"]
