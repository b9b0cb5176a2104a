"""`hooks`: commands at fixed points of a job; `pre_get_sources_script` is the only one.

Source: GitLab's CI/CD YAML reference, `hooks`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.script import parse_commands
from homeport.pipeline.config.status import NO_EFFECT, Keyword

STATUS = Keyword(
    name="hooks",
    run=NO_EFFECT,
    parts=(
        Keyword(
            name="pre_get_sources_script", run=NO_EFFECT, note="sources are copied, not fetched"
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
