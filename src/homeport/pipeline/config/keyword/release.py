"""`release`: a release that the job makes. Source: GitLab's CI/CD YAML reference, `release`."""

import re
from collections.abc import Mapping
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.ruby import is_blank
from homeport.pipeline.config.status import PARTLY, YES, Keyword

STATUS = Keyword(
    name="release",
    run=PARTLY,
    note="recorded and shown in the summary; nothing is published",
    cases=("release", "release-without-tag"),
    parts=(
        Keyword(name="tag_name", run=YES),
        Keyword(name="tag_message", run=YES),
        Keyword(name="name", run=YES),
        Keyword(name="description", run=YES),
        Keyword(name="ref", run=YES),
        Keyword(name="milestones", run=YES),
        Keyword(name="released_at", run=YES),
        Keyword(name="assets:links", run=YES),
    ),
)

_KEYS = (
    "tag_name", "tag_message", "name", "description", "ref", "released_at", "milestones", "assets",
)  # fmt: skip
_LINK_KEYS = ("name", "url", "filepath", "link_type")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|(^|/)\.|\.lock(/|$)|[/.]$|^-")


def parse_release(value: Any, entry: Entry) -> Mapping[str, Any] | None:
    """The release as written; on GitLab it is published, here recorded."""
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return None
    entry.keys(value, _KEYS)
    entry.string(value, "tag_name", required=True)
    if not is_blank(value.get("tag_message")):
        entry.string(value, "tag_message")
    entry.string(value, "description", required=True)
    if not is_blank(value.get("milestones")):
        entry.string_or_strings(value, "milestones")
    released_at = value.get("released_at")
    if released_at is not None and released_at is not False and not _is_datetime(released_at):
        entry.wrong(value, "released_at", "must be a valid datetime", "not-allowed")
    ref = value.get("ref")
    if ref is not None and ref is not False and not _is_ref(ref):
        entry.wrong(value, "ref", "must be a valid ref", "not-allowed")
    if value.get("assets") is not None:
        _check_assets(value["assets"], entry.child(value, "assets"))
    return dict(value)


def _is_datetime(value: Any) -> bool:
    # Few files release anything: the others do not pay for this import.
    from datetime import datetime

    try:
        datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_ref(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not _BAD_REF.search(value)


def _check_assets(value: Any, entry: Entry) -> None:
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return
    entry.keys(value, ("links",))
    links = value.get("links")
    if not (isinstance(links, list) and all(isinstance(link, dict) for link in links)):
        entry.wrong(value, "links", "should be an array of hashes")
        links = None if not isinstance(links, list) else links
    if is_blank(links):
        entry.wrong(value, "links", "can't be blank", "blank")
    for index, link in enumerate(links if isinstance(links, list) else ()):
        if isinstance(link, dict):
            place = entry.child(value, "links").child(links, index, "link")
            place.keys(link, _LINK_KEYS)
            place.string(link, "name", required=True)
            if is_blank(link.get("url")):
                place.wrong(link, "url", "can't be blank", "blank")
