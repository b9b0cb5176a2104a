"""`pages`: a job whose artifacts become a site.

Source: GitLab's CI/CD YAML reference, `pages`, `pages.publish`, `pages.expire_in`.
"""

import re
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.artifacts import is_expiry
from homeport.pipeline.config.status import NO_EFFECT, PARTLY, YES, Keyword

STATUS = Keyword(
    name="pages",
    run=PARTLY,
    note="the site is kept with the artifacts and shown in the summary; nothing is published",
    cases=("pages", "pages-without-folder"),
    parts=(
        Keyword(
            name="publish",
            run=YES,
            note="an artifact; without it the job fails, where on GitLab `pages:deploy` does",
        ),
        Keyword(name="path_prefix", run=NO_EFFECT),
        Keyword(name="expire_in", run=NO_EFFECT),
    ),
)

_KEYS = ("path_prefix", "expire_in", "publish")
_VARIABLE = re.compile(r"\$[a-zA-Z_]\w*|\$\{[a-zA-Z_]\w*\}|%[a-zA-Z_]\w*%", re.ASCII)
_PUBLIC = "public"


def parse_pages(value: Any, entry: Entry) -> bool | Mapping[str, Any] | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        entry.config("should be a hash or a boolean value", "wrong-type")
        return None
    entry.keys(value, _KEYS)
    entry.string(value, "path_prefix")
    expire_in = value.get("expire_in")
    is_variable = isinstance(expire_in, str) and _VARIABLE.search(expire_in)
    if not (expire_in is None or is_variable or is_expiry(expire_in)):
        entry.wrong(value, "expire_in", "should be a duration", "invalid-duration")
    entry.string(value, "publish")
    return dict(value)


def is_pages_job(name: str, job: Mapping[str, Any]) -> bool:
    """Whether a job publishes a site: it says so, or is called `pages` and does not deny it."""
    pages = job.get("pages")
    return bool(pages) or (name == "pages" and pages is not False)


def publish_path(job: Mapping[str, Any]) -> str:
    """The folder of the site, which is an artifact of the job."""
    path = job.get("publish") or _PUBLIC
    pages = job.get("pages")
    found = pages.get("publish") or path if isinstance(pages, dict) else path
    return found if isinstance(found, str) else _PUBLIC
