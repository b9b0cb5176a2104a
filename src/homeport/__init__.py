"""Homeport: GitLab CI pipelines and container registries for closed networks."""

__version__ = "0.1.0"
