import pytest

from homeport.pipeline.facts.remote import choose_remote, parse_address, remote_project
from homeport.pipeline.model.trigger import Project


@pytest.mark.parametrize(
    ("address", "host", "path", "protocol", "ssh_port"),
    [
        ("https://gitlab.com/group/sub/name.git", "gitlab.com", "group/sub/name", "https", 22),
        ("https://ann:token@GitLab.com/g/n", "gitlab.com", "g/n", "https", 22),
        ("https://ann@a:b@gitlab.com/g/n", "gitlab.com", "g/n", "https", 22),
        ("https://git.corp:8443/g/n/", "git.corp:8443", "g/n", "https", 22),
        ("https://git.corp:443/g/n", "git.corp", "g/n", "https", 22),
        ("http://git.corp:80/g/n", "git.corp", "g/n", "http", 22),
        ("https://[::1]:8443/g/n", "[::1]:8443", "g/n", "https", 22),
        ("ssh://git@git.corp:2222/g/n.git", "git.corp", "g/n", "https", 2222),
        ("ssh://git@[::1]:2222/g/n.git", "[::1]", "g/n", "https", 2222),
        ("ssh://git.corp/g/n", "git.corp", "g/n", "https", 22),
        ("git://git.corp:9418/g/n", "git.corp", "g/n", "https", 22),
        ("git@gitlab.com:group/sub/name.git", "gitlab.com", "group/sub/name", "https", 22),
        ("gitlab.com:/g/n", "gitlab.com", "g/n", "https", 22),
        ("git@[::1]:g/n", "[::1]", "g/n", "https", 22),
    ],
)
def test_addresses(address: str, host: str, path: str, protocol: str, ssh_port: int) -> None:
    wanted = Project(host=host, path=path, protocol=protocol, ssh_port=ssh_port)
    assert parse_address(address) == wanted


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/srv/git/name.git",
        "../name",
        "./a:b",
        "file:///srv/git/name.git",
        "ext::sh -c evil",
        "https://",
        "https://gitlab.com/",
        "https://gitlab.com/../../etc",
        "https://gitlab.com/a//b",
        "git@host:~ann/x",
        "git@host:",
        "https://gitlab.com/a\nb/c",
    ],
)
def test_what_names_no_project_of_a_server(address: str) -> None:
    assert parse_address(address) is None


@pytest.mark.parametrize(
    ("config", "branch", "remote"),
    [
        ({}, "main", None),
        ({"remote.up.url": ("x",)}, "main", "up"),
        ({"remote.up.url": ("x",), "remote.origin.url": ("y",)}, "main", "origin"),
        (
            {
                "remote.a.url": ("x",),
                "remote.b.url": ("y",),
                "branch.main.remote": ("b",),
            },
            "main",
            "b",
        ),
        ({"remote.a.url": ("x",), "remote.b.url": ("y",)}, None, "a"),
        ({"remote.a.b.url": ("x",)}, None, "a.b"),
    ],
)
def test_choice(config: dict[str, tuple[str, ...]], branch: str | None, remote: str) -> None:
    assert choose_remote(config, branch) == remote


def test_short_forms_of_the_user_are_resolved() -> None:
    config = {
        "remote.origin.url": ("gl:g/n",),
        "url.git@gitlab.com:.insteadof": ("gl:",),
        "url.https://wrong.example/.insteadof": ("g",),
    }
    assert remote_project(config, "origin") == Project(host="gitlab.com", path="g/n")
