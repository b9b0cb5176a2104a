"""What jobs inherit: `default:` and the keywords that may stand at the top of a file.

Source: GitLab's CI/CD YAML reference, `default`, and the deprecated globally-defined keywords.
"""

from collections.abc import Mapping
from typing import Any, Final

from homeport.errors import Problem, Severity
from homeport.pipeline.config.entry import Entry, Reader
from homeport.pipeline.config.job import is_bridge, is_job
from homeport.pipeline.config.keyword.inherit import DEFAULT_KEYS
from homeport.pipeline.config.keywords import parser_of
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.document import span_of_key, span_of_value

STATUS = Keyword(
    name="default", evaluated=True, run=YES, note="`timeout` has no effect, as on GitLab"
)

GLOBAL_KEYS: Final = ("before_script", "image", "services", "after_script", "cache")
"""Keywords of a job that may also stand at the top of a file."""


def read_defaults(content: Mapping[Any, Any], reader: Reader) -> Mapping[str, Any]:
    """Keyword → its parsed value, of those that jobs inherit.

    `default:timeout` is checked but left out: GitLab does not apply it (its issue 213634).
    """
    default = content.get("default")
    found: dict[str, Any] = {}
    if default is None or is_job(default) or is_bridge(default):
        default = {}
    elif isinstance(default, dict):
        _check_keys(content, default, reader)
        _check_clashes(content, default, reader)
    else:
        span = span_of_value(content, "default")
        reader.error("default config should be a hash", "wrong-type", span)
        default = {}
    for key in DEFAULT_KEYS:
        if default.get(key) is not None:
            found[key] = reader.read(parser_of(key), default, key, "default", key)
        elif key in GLOBAL_KEYS and content.get(key) is not None:
            found[key] = reader.read(parser_of(key), content, key, "", key)
    if found.pop("timeout", None) is not None:
        reader.problems.append(_ignored_timeout(default))
    return {key: value for key, value in found.items() if value is not None}


def _check_keys(content: Mapping[Any, Any], default: Mapping[Any, Any], reader: Reader) -> None:
    entry = Entry(content, "default")
    entry.keys(default, DEFAULT_KEYS)
    reader.problems.extend(finding.problem("", "default") for finding in entry.findings)


def _check_clashes(content: Mapping[Any, Any], default: Mapping[Any, Any], reader: Reader) -> None:
    for key in GLOBAL_KEYS:
        if default.get(key) is not None and content.get(key) is not None:
            message = f"{key} is defined in top-level and `default:` entry"
            reader.error(message, "conflict", span_of_key(content, key))


def _ignored_timeout(default: Mapping[Any, Any]) -> Problem:
    return Problem(
        severity=Severity.NOTE,
        code="default-timeout-ignored",
        message="default:timeout has no effect: GitLab does not apply it to jobs",
        span=span_of_key(default, "timeout"),
        hint="set timeout in each job, for example through extends",
    )
