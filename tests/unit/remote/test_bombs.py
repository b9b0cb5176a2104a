"""Lists that are small to send and large to read."""

import pytest

from homeport.mirror.pull.referrers_index import entries_of
from homeport.oci.bounds import MAX_STRINGS, MAX_VALUES
from homeport.remote.errors import FailedError
from homeport.remote.listing import parse_tags
from homeport.remote.referrers import parse_referrers

OBJECTS = b'{"manifests":[' + b"{}," * MAX_VALUES + b"{}]}"


def test_referrers() -> None:
    with pytest.raises(FailedError):
        parse_referrers(OBJECTS, "x", "referrers")
    with pytest.raises(ValueError, match="objects and arrays"):
        entries_of(OBJECTS)


def test_tags() -> None:
    tags = b",".join(b'"%d"' % number for number in range(MAX_STRINGS + 10))
    with pytest.raises(FailedError):
        parse_tags(b'{"tags":[' + tags + b"]}", "x", "tags")


def test_as_many_as_there_are() -> None:
    tags = b",".join(b'"v1.%d"' % number for number in range(200_000))
    assert len(parse_tags(b'{"tags":[' + tags + b"]}", "x", "tags")) == 200_000
