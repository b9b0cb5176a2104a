"""The address of another project on the server of a remote."""

import pytest

from homeport.pipeline.include.git_project import sibling


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://gitlab.corp/g/p.git", "https://gitlab.corp/x/y.git"),
        ("https://me:secret@gitlab.corp:8443/g/p", "https://gitlab.corp:8443/x/y.git"),
        ("http://gitlab.corp/g/p.git", "http://gitlab.corp/x/y.git"),
        ("ssh://git@gitlab.corp:2222/g/p.git", "ssh://git@gitlab.corp:2222/x/y.git"),
        ("git+ssh://git@gitlab.corp/g/p.git", "ssh://git@gitlab.corp/x/y.git"),
        ("git@gitlab.corp:g/p.git", "git@gitlab.corp:x/y.git"),
        ("gitlab.corp:g/p.git", "gitlab.corp:x/y.git"),
        ("https://[::1]:8080/g/p.git", "https://[::1]:8080/x/y.git"),
        ("/srv/git/p.git", None),
        ("../p.git", None),
        ("./a:b", None),
        ("git://gitlab.corp/g/p.git", None),
        ("file:///srv/p.git", None),
        ("ext::sh -c id", None),
        ("ssh://-oProxyCommand=id/x", None),
        ("ssh://git@-oProxyCommand=id/x", None),
        ("-oProxyCommand=id:x", None),
        ("git@-oProxyCommand=id:x", None),
        ("https://a b/x", None),
    ],
)
def test_siblings(address: str, expected: str | None) -> None:
    assert sibling(address, "x/y") == expected
