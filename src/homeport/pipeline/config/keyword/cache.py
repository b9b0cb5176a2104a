"""`cache`: one mapping or up to four. Source: GitLab's CI/CD YAML reference, `cache`."""

import re
from typing import Any

from homeport.pipeline.config.entry import Entry
from homeport.pipeline.config.keyword.flags import parse_boolean
from homeport.pipeline.config.shapes import is_strings, places
from homeport.pipeline.config.status import YES, Keyword
from homeport.pipeline.model.config import Cache, CacheKey

STATUS = Keyword(
    name="cache",
    run=YES,
    note="kept on this machine, for each checkout apart",
    cases=("cache-handed-on", "cache-several", "cache-broken"),
    parts=(
        Keyword(name="key", run=YES, cases=("cache-masked-key",)),
        Keyword(
            name="key:files",
            run=YES,
            note="what is not committed counts, too",
            cases=("cache-key-files",),
        ),
        Keyword(
            name="key:files_commits",
            run=YES,
            note="what is not committed counts, too",
            cases=("cache-key-files",),
        ),
        Keyword(name="key:prefix", run=YES),
        Keyword(name="paths", run=YES),
        Keyword(name="policy", run=YES, cases=("cache-policy", "cache-unknown-policy")),
        Keyword(name="untracked", run=YES, cases=("cache-several",)),
        Keyword(name="unprotect", run=YES, cases=("cache-unprotect",)),
        Keyword(name="when", run=YES, cases=("cache-when",)),
        Keyword(name="fallback_keys", run=YES, cases=("cache-fallback",)),
    ),
)

MAX_CACHES = 4
_MAX_FILES = {"files": 10, "files_commits": 2}
MAX_FALLBACK_KEYS = 5
KEYS = ("key", "untracked", "paths", "when", "policy", "unprotect", "fallback_keys")
_WHEN = ("on_success", "on_failure", "always")
# GitLab's own expression has no anchors: `my-pull-policy` passes too.
_POLICY = re.compile(r"push|pull|\$\w", re.ASCII)
_DEFAULT_KEY = CacheKey(key="default")


def parse_caches(value: Any, entry: Entry) -> tuple[Cache, ...] | None:
    if isinstance(value, dict):
        cache = _cache(value, entry)
        return None if cache is None else (cache,)
    if not isinstance(value, list):
        entry.owner_child("caches", "config can only be a hash or an array", "wrong-type")
        return None
    if len(value) > MAX_CACHES:
        text = f"config no more than {MAX_CACHES} caches can be created"
        entry.owner_child("caches", text, "limit")
        return None
    found = [_cache(owner[index], entry.same(owner, index)) for owner, index in places(value)]
    return tuple(cache for cache in found if cache is not None)


def _cache(value: Any, entry: Entry) -> Cache | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        entry.config("should be a hash", "wrong-type")
        return None
    entry.keys(value, KEYS)
    policy = entry.string(value, "policy")
    if policy and policy.strip() and not _POLICY.search(policy):
        text = "should be a variable or one of: pull-push, push, pull"
        entry.wrong(value, "policy", text, "not-allowed")
    when = entry.one_of(value, "when", _WHEN)
    fallback = value.get("fallback_keys")
    if isinstance(fallback, list | str) and len(fallback) > MAX_FALLBACK_KEYS:
        text = f"has to many entries (maximum {MAX_FALLBACK_KEYS})"
        entry.wrong(value, "fallback_keys", text, "limit")
    key = value.get("key")
    return Cache(
        key=_DEFAULT_KEY if key is None else _key(key, entry.child(value, "key")) or _DEFAULT_KEY,
        paths=_strings(value, "paths", entry),
        untracked=_flag(value, "untracked", entry),
        unprotect=_flag(value, "unprotect", entry),
        policy=policy or "pull-push",
        when=when or "on_success",
        fallback_keys=_strings(value, "fallback_keys", entry),
    )


def _key(value: Any, entry: Entry) -> CacheKey | None:
    if isinstance(value, str):
        _check_name(value, entry)
        return CacheKey(key=str(value))
    if not isinstance(value, dict):
        entry.say("should be a hash, a string or a symbol", "wrong-type", verbatim=True)
        return None
    entry.keys(value, ("files", "files_commits", "prefix"))
    if ("files" in value) == ("files_commits" in value):
        text = "must use exactly one of these keys: files, files_commits"
        entry.config(text, "conflict")
    prefix = value.get("prefix")
    if prefix is not None:
        place = entry.child(value, "prefix")
        if isinstance(prefix, str):
            _check_name(prefix, place)
        else:
            place.config("should be a string or symbol", "wrong-type")
            prefix = None
    return CacheKey(
        files=_files(value, "files", entry),
        files_commits=_files(value, "files_commits", entry),
        prefix=prefix,
    )


def _check_name(value: str, entry: Entry) -> None:
    path = _unescape(value) if "%" in value else value
    if "/" in path:
        entry.config('cannot contain the "/" character', "not-allowed")
    elif path in (".", ".."):
        entry.config('cannot be "." or ".."', "not-allowed")


def _unescape(value: str) -> str:
    # An escape in a key is rare, and the import costs milliseconds.
    from urllib.parse import unquote_plus

    return unquote_plus(value)


def _files(value: Any, key: str, entry: Entry) -> tuple[str, ...]:
    found = value.get(key)
    if found is None:
        return ()
    place = entry.child(value, key)
    if not is_strings(found):
        place.config("should be an array of strings", "wrong-type")
        return ()
    if not found:
        place.config("requires at least 1 item", "blank")
    limit = _MAX_FILES[key]
    if len(found) > limit:
        place.config(f"has too many items (maximum is {limit})", "limit")
    return tuple(path.lstrip("/") for path in found)


def _strings(value: Any, key: str, entry: Entry) -> tuple[str, ...]:
    found = value.get(key)
    if found is None:
        return ()
    if is_strings(found):
        return tuple(found)
    entry.child(value, key).config("should be an array of strings", "wrong-type")
    return ()


def _flag(value: Any, key: str, entry: Entry) -> bool:
    found = value.get(key)
    return found is not None and bool(parse_boolean(found, entry.child(value, key)))
