"""Lists of tags, page by page (end-8, RFC 8288)."""

import re
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import msgspec
from msgspec import Struct

from homeport.oci.bounds import check_bounds
from homeport.oci.reference import is_tag
from homeport.remote.errors import FailedError

# Every choice in these is made by one character, so that no header takes more than linear time.
_LINK = re.compile(r'<([^<>]{1,4096})>((?:[^,"]|"[^"]*")*)')
_PARAMETER = re.compile(r';[ \t]*([A-Za-z*]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^",; \t]*))')
_MAX_VALUE = 1024


class Page(Struct, frozen=True, kw_only=True):
    """`following` is the query of the next page."""

    tags: tuple[str, ...]
    following: dict[str, str] | None

    def arranged(self, n: int | None, last: str | None) -> tuple[str, ...]:
        """The tags of an only page. docker-registry 2.8 ignores the parameters and gives all tags
        in no order: then they are put into the specification's, and those up to `last` left out."""
        ignored = (last is not None and last in self.tags) or (n is not None and len(self.tags) > n)
        if ignored:
            return tuple(tag for tag in sorted(self.tags) if last is None or tag > last)
        in_order = list(self.tags) in (sorted(self.tags), sorted(self.tags, key=str.casefold))
        return self.tags if in_order else tuple(sorted(self.tags))

    def after(self, last: str | None) -> tuple[str, ...]:
        """The tags of this page without `last` and those before it, for a registry that ignores
        the parameter."""
        if last is None or last not in self.tags:
            return self.tags
        return self.tags[self.tags.index(last) + 1 :]


class _Tags(Struct):
    tags: list[str] | None = None


def parse_tags(content: bytes, host: str, what: str) -> tuple[str, ...]:
    """What is no tag is left out; raises FailedError for what is no list."""
    try:
        check_bounds(content, what)
        found = msgspec.json.decode(content, type=_Tags).tags
    except (ValueError, RecursionError):
        raise FailedError(f"{host} answered {what} with something else", host=host) from None
    return tuple(tag for tag in found or () if is_tag(tag))


def next_query(response: aiohttp.ClientResponse) -> dict[str, str] | None:
    """The query of `Link: <…>; rel="next"`. Only that of its URL is used, at the end-point that was
    asked: no host, prefix or path in it can lead anywhere else."""
    for line in response.headers.getall("Link", []):
        if len(line) > 2 * 4096:
            continue
        for target, parameters in _LINK.findall(line):
            if not _is_next(parameters):
                continue
            try:
                pairs = parse_qsl(urlsplit(target).query, max_num_fields=16)
            except ValueError:
                continue
            if pairs and all(len(name) + len(value) < _MAX_VALUE for name, value in pairs):
                return dict(pairs)
    return None


def _is_next(parameters: str) -> bool:
    for name, quoted, bare in _PARAMETER.findall(parameters):
        if name.lower() == "rel":
            return "next" in (quoted or bare).lower().split()
    return False
