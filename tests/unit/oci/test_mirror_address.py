"""What is the address of a mirror."""

import pytest

from homeport.oci.mirror_address import is_mirror


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("https://m.corp:5443", True),
        ("http://[::1]:5000/", True),
        ("https://m.corp/path", False),
        ("https://user:secret@m.corp", False),
        ("m.corp:5000", False),
        ("https://m.corp?x", False),
        ("https://$HOST", False),
        ('https://m.corp"', False),
        ("https://m.corp\n", False),
    ],
)
def test_what_is_a_mirror(url: str, valid: bool) -> None:
    assert is_mirror(url) is valid
