"""`resource_group`: jobs of one group run one at a time.

Source: GitLab's CI/CD YAML reference, `resource_group`.
"""

from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.status import YES, Keyword

STATUS = Keyword(
    name="resource_group",
    run=YES,
    note="one job of a group at a time, in all runs of the project on this machine; in GitLab's "
    "default order (`unordered`): a process mode is set on the server",
    cases=("resource-group", "resource-group-of-trigger", "child-resource-group"),
)


def parse_resource_group(value: Any, entry: Entry) -> str | None:
    if isinstance(value, str):
        return str(value)
    entry.owner("resource group should be a string", "wrong-type")
    return None
