"""Addresses that are read from elsewhere."""

import pytest

from homeport.gitlab.rewrite import rewrite

RULES = {
    "https://gitlab.com": "https://mirror.corp/gitlab",
    "gitlab.com/components": "/srv/components/",
    "https://gitlab.com/components/exact": "http://exact.corp",
    "old.corp": "https://new.corp",
}

CASES = [
    ("https://gitlab.com/group/x", "https://mirror.corp/gitlab/group/x"),
    ("https://gitlab.com", "https://mirror.corp/gitlab"),
    ("https://gitlab.com.evil.org/x", "https://gitlab.com.evil.org/x"),
    ("https://gitlab.company/x", "https://gitlab.company/x"),
    ("http://gitlab.com/group/x", "http://gitlab.com/group/x"),
    ("http://gitlab.com/components/a", "/srv/components/a"),
    ("https://gitlab.com/components/a", "/srv/components/a"),
    ("https://gitlab.com/componentsx/a", "https://mirror.corp/gitlab/componentsx/a"),
    ("https://gitlab.com/components/exact/b?c=d", "http://exact.corp/b?c=d"),
    (
        "http://gitlab.com/components/../../etc/passwd",
        "http://gitlab.com/components/../../etc/passwd",
    ),
    ("ssh://git@old.corp/a.git", "https://new.corp/a.git"),
    ("https://OLD.corp/A", "https://new.corp/A"),
    ("https://other.corp/old.corp/x", "https://other.corp/old.corp/x"),
    ("/local/path", "/local/path"),
]


@pytest.mark.parametrize(("address", "expected"), CASES)
def test_rewrite(address: str, expected: str) -> None:
    assert rewrite(address, RULES) == expected
