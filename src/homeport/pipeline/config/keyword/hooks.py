"""`hooks`: commands at fixed points of a job; `pre_get_sources_script` is the only one.

Source: GitLab's CI/CD YAML reference, `hooks`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.script import parse_commands
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="hooks",
    run=YES,
    parts=(
        Keyword(
            name="pre_get_sources_script",
            run=YES,
            note="in the job's own place, in the folder of builds",
            cases=("hooks", "hooks-fail"),
        ),
    ),
)


def parse_hooks(value: Any, entry: Entry) -> tuple[str, ...]:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return ()
    entry.keys(value, ("pre_get_sources_script",))
    script = value.get("pre_get_sources_script")
    if script is None:
        return ()
    return parse_commands(script, entry.child(value, "pre_get_sources_script")) or ()
