"""`services`: a list of image names or mappings with `alias`, `command` and `variables`.

Source: GitLab's CI/CD YAML reference, `services`; how aliases are split is GitLab Runner's.
"""

import re
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.image import IMAGE_KEYS, parse_imageable
from homeport.pipeline.config.keyword.script import parse_commands
from homeport.pipeline.config.keyword.variables import parse_plain_variables
from homeport.pipeline.config.shapes import places
from homeport.pipeline.config.status import NO_EFFECT, YES, Keyword
from homeport.pipeline.model.config import Service

STATUS = Keyword(
    name="services",
    run=YES,
    note="in the shell executor the job is not run: there are no containers",
    parts=(
        Keyword(name="name", run=YES),
        Keyword(name="alias", run=YES),
        Keyword(name="entrypoint", run=YES),
        Keyword(name="command", run=YES),
        Keyword(name="variables", run=YES),
        Keyword(name="docker:platform", run=YES),
        Keyword(name="docker:user", run=YES),
        Keyword(name="pull_policy", run=YES),
        Keyword(name="kubernetes:user", run=NO_EFFECT, note="there is no Kubernetes executor"),
    ),
)

SERVICE_KEYS = (*IMAGE_KEYS, "command", "alias", "variables")
_BETWEEN_ALIASES = re.compile(r"[\s,]+")


def parse_services(value: Any, entry: Entry) -> tuple[Service, ...] | None:
    """The services in order; nested lists are flattened."""
    if not isinstance(value, list):
        entry.config("should be an array", "wrong-type")
        return None
    services: list[Service] = []
    for owner, index in places(value):
        if owner[index] is None:
            continue
        service = _service(owner[index], entry.child(owner, index, "service"))
        if service is not None:
            services.append(service)
    return tuple(services)


def _service(value: Any, entry: Entry) -> Service | None:
    common = parse_imageable(value, entry)
    if not isinstance(value, dict):
        return None if common is None else Service(name=common.name)
    entry.keys(value, SERVICE_KEYS)
    alias = entry.string(value, "alias")
    command = value.get("command")
    variables = value.get("variables")
    if command is not None:
        command = parse_commands(command, entry.child(value, "command"))
    if variables is not None:
        variables = parse_plain_variables(variables, entry.child(value, "variables"))
    if common is None:
        return None
    return Service(
        name=common.name,
        aliases=tuple(name for name in _BETWEEN_ALIASES.split(alias or "") if name),
        entrypoint=common.entrypoint,
        command=command,
        variables=variables or {},
        docker_user=common.user,
        docker_platform=common.platform,
        pull_policy=common.pull_policy,
    )
