"""The CI files of public repositories, and GitLab's fixtures for its schema, are their owners':
they lie beside this repository, if at all, and the tests that read them are collected only where
they do (CONTRIBUTING, "Tests")."""

import os
from pathlib import Path

REAL_PIPELINES = Path(
    os.environ.get("HOMEPORT_REAL_PIPELINES", Path(__file__).parents[3] / "shared" / "pipelines")
)
SCHEMA_FIXTURES = Path(
    os.environ.get("HOMEPORT_SCHEMA_FIXTURES", Path(__file__).parents[3] / "shared/gitlab-schema")
)
collect_ignore = [
    test
    for test, data in (
        ("test_real_pipelines.py", REAL_PIPELINES),
        ("test_schema_fixtures.py", SCHEMA_FIXTURES),
    )
    if not data.is_dir()
]
