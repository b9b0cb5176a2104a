"""Which submodules a repository records, and where they may be fetched from."""

import subprocess
from pathlib import Path

import pytest

from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.submodule_list import read_submodules, resolve_url

SHA = "a" * 40
HTTPS = "https://gitlab.example.com/group/project.git"
SSH = "git@gitlab.example.com:group/project.git"


@pytest.mark.parametrize(
    ("url", "origin", "expected"),
    [
        ("https://x.org/a.git", None, "https://x.org/a.git"),
        ("ssh://git@x.org:22/a.git", None, "ssh://git@x.org:22/a.git"),
        ("git@x.org:a/b.git", None, "git@x.org:a/b.git"),
        ("../lib.git", HTTPS, "https://gitlab.example.com/group/lib.git"),
        ("../../other/lib.git", f"{HTTPS}/", "https://gitlab.example.com/other/lib.git"),
        ("./lib.git", HTTPS, f"{HTTPS}/lib.git"),
        ("../lib.git", SSH, "git@gitlab.example.com:group/lib.git"),
        ("../../lib.git", SSH, "git@gitlab.example.com:lib.git"),
    ],
)
def test_addresses(url: str, origin: str | None, expected: str) -> None:
    assert resolve_url(url, origin, None) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (SSH, HTTPS),
        ("ssh://git@gitlab.example.com/group/project.git", HTTPS),
        ("ssh://git@gitlab.example.com:2222/group/project.git", HTTPS),
        ("git@x.org:a/b.git", "git@x.org:a/b.git"),
    ],
)
def test_ssh_addresses_of_the_server_by_https(url: str, expected: str) -> None:
    assert resolve_url(url, None, "gitlab.example.com") == expected


@pytest.mark.parametrize(
    "url",
    [
        "", "/srv/a", "a/b", "file:///srv/a", "git://x.org/a", "ext::sh -c id", "-u./x", "https://",
        "ssh://-oProxyCommand=id/a", "git@-oProxyCommand:a", "fd::17", "x::https://x.org/a",
        "https://x.org/a\nb", "https://x.org/a\\b", "../../../../srv/a",
    ],
)  # fmt: skip
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="none of https, http or ssh"):
        resolve_url(url, "/srv/project" if url.startswith("..") else None, None)


def recorded(tmp_path: Path, modules: str, *paths: str) -> tuple[Path, Path]:
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    for path in paths:
        info = f"160000,{SHA},{path}"
        subprocess.run(["git", "update-index", "--add", "--cacheinfo", info], cwd=root, check=True)
    (root / ".gitmodules").write_text(modules)
    return root, root / ".git"


def entry(name: str, path: str, more: str = "") -> str:
    return f'[submodule "{name}"]\npath = {path}\nurl = ../{name}.git\n{more}'


def test_what_is_recorded(tmp_path: Path) -> None:
    text = entry("one", "libs/one") + entry("two", "two", "update = none\n") + entry("x", "gone")
    root, git = recorded(tmp_path, text, "libs/one", "two")
    [found] = read_submodules(root, git)
    assert (found.name, found.path, found.sha, found.url) == ("one", "libs/one", SHA, "../one.git")


def test_pathspecs_choose(tmp_path: Path) -> None:
    text = entry("a", "libs/a") + entry("b", "libs/b") + entry("c", "c")
    root, git = recorded(tmp_path, text, "libs/a", "libs/b", "c")

    def chosen(*pathspecs: str) -> list[str]:
        return [each.name for each in read_submodules(root, git, pathspecs)]

    assert chosen("libs") == ["a", "b"]
    assert chosen(":(exclude)libs/a") == ["c", "b"]


@pytest.mark.parametrize(
    ("name", "path", "words"),
    [
        ("../x", "a", "not one that git allows"),
        ("x/../../y", "a", "not one that git allows"),
        ("-x", "a", "not one that git allows"),
        ("x", "-a", "not one that git allows"),
        ("a/.GIT/b", "a", "not one that git allows"),
        ("x", "other", "submodule a has no entry"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, path: str, words: str) -> None:
    root, git = recorded(tmp_path, entry(name, path), path if path != "other" else "a")
    with pytest.raises(ExecutorError, match=words):
        read_submodules(root, git)


def test_submodules_in_each_other_are_refused(tmp_path: Path) -> None:
    root, git = recorded(tmp_path, entry("x", "a") + entry("X/modules/y", "b"), "a", "b")
    with pytest.raises(ExecutorError, match="lie in each other"):
        read_submodules(root, git)


def test_a_linked_list_is_not_read(tmp_path: Path) -> None:
    root, git = recorded(tmp_path, "", "a")
    (tmp_path / "list").write_text(entry("x", "a"))
    (root / ".gitmodules").unlink()
    (root / ".gitmodules").symlink_to(tmp_path / "list")
    with pytest.raises(ExecutorError, match="has no entry"):
        read_submodules(root, git)
