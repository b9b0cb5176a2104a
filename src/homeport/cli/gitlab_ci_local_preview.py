"""`--preview`: the merged YAML without hidden jobs, with `default` written into each job."""

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from homeport.pipeline.model.document import Map

if TYPE_CHECKING:
    from homeport.cli.gitlab_ci_local_request import Translation

_SCRIPTS = ("before_script", "script", "after_script")
_OLD_DEFAULTS = ("image", "services", "cache", "before_script", "after_script")
"""Keywords at the top of the file that stand for their like under `default`."""


def print_preview(translation: "Translation") -> int:
    from homeport.cli.source import finish
    from homeport.pipeline.document.dump import dump

    evaluation = translation.evaluate()
    shown = preview(evaluation.merged, evaluation.config.stages, evaluation.config.jobs)
    sys.stdout.write(dump(shown))
    return finish(evaluation, argparse.Namespace(strict=False))


def preview(merged: Map, stages: tuple[str, ...], jobs: Mapping[str, Any]) -> Map:
    """The configuration as a user of gitlab-ci-local expects to see it."""
    written = merged.get("default")
    defaults = {key: merged[key] for key in _OLD_DEFAULTS if key in merged}
    defaults.update(written if isinstance(written, dict) else {})
    shown = Map({"stages": list(stages)})
    for key, value in merged.items():
        if key in ("stages", "include", "default", *_OLD_DEFAULTS):
            continue
        if isinstance(key, str) and key.startswith("."):
            continue
        shown[key] = _job(value, defaults) if key in jobs and isinstance(value, dict) else value
    return shown


def _job(job: Mapping[str, Any], defaults: Mapping[str, Any]) -> Map:
    whole = Map({key: value for key, value in job.items() if key != "extends"})
    inherit = job.get("inherit")
    inherited = inherit.get("default", True) if isinstance(inherit, dict) else True
    for key, value in defaults.items():
        wanted = key in inherited if isinstance(inherited, list) else bool(inherited)
        # A trigger job has no script, and so none of what goes with one.
        if key not in whole and wanted and "trigger" not in job:
            whole[key] = value
    for key in _SCRIPTS:
        if isinstance(whole.get(key), str):
            whole[key] = [whole[key]]
    if isinstance(whole.get("image"), str):
        whole["image"] = Map({"name": whole["image"]})
    if isinstance(whole.get("needs"), list):
        whole["needs"] = [
            Map({"job": need, "artifacts": True, "optional": False})
            if isinstance(need, str)
            else need
            for need in whole["needs"]
        ]
    return whole
