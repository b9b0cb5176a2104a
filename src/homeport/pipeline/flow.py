"""The flow of the pipeline half, read from top to bottom.

`evaluate_pipeline`: load → expand → parse → evaluate. `run_pipeline`: plan → execute → report.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from homeport.errors import UsageError
from homeport.pipeline.config.compose import compose
from homeport.pipeline.config.extends import resolve_extends
from homeport.pipeline.document.load import load
from homeport.pipeline.document.reference import resolve_references
from homeport.pipeline.evaluate.evaluate import evaluate
from homeport.pipeline.facts.changes import GitFacts
from homeport.pipeline.facts.repository import read_trigger
from homeport.pipeline.model.config import Config
from homeport.pipeline.model.document import Map
from homeport.pipeline.model.pipeline import Pipeline
from homeport.pipeline.model.trigger import Facts, Trigger
from homeport.settings.model import Settings


class Request(Struct, frozen=True, kw_only=True):
    """What to evaluate: the file (relative to the root) of the working tree at `root`, as a push
    of `branch` or `tag` (None: what is checked out)."""

    root: Path
    settings: Settings
    file: str = ".gitlab-ci.yml"
    branch: str | None = None
    tag: str | None = None


class Evaluation(Struct, frozen=True, kw_only=True):
    """A pipeline and all that it was made of."""

    request: Request
    trigger: Trigger
    merged: Map
    config: Config
    pipeline: Pipeline
