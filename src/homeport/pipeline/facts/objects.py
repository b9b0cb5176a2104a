"""Commits and tags by name: one git process for all names of one question."""

import re
from collections.abc import Sequence

from homeport.lib.git import Git
from homeport.pipeline.facts.commit import strip_signature

_TAG_FORMAT = "%(objecttype) %(refname:lstrip=2)%00%(contents)%00%00"


def read_commits(git: Git, names: Sequence[str]) -> dict[str, tuple[str, bytes] | None]:
    """Each name's commit as (sha, content), None where there is none. Source: git-cat-file(1)."""
    asked = "".join(f"{name}^{{commit}}\n" for name in names)
    out = git.run(
        "cat-file", "--batch", input=asked.encode("utf-8", "surrogateescape"), config=False
    )
    found: dict[str, tuple[str, bytes] | None] = {}
    at = 0
    for name in names:
        end = out.index(b"\n", at)
        words = out[at:end].split(b" ")
        at = end + 1
        if len(words) == 3 and words[1] == b"commit":
            size = int(words[2])
            found[name] = words[0].decode(), out[at : at + size]
            at += size + 1
        else:
            found[name] = None
    return found


def is_ref_name(name: str) -> bool:
    """As git-check-ref-format(1), as far as a name could mean something else to git."""
    plain = re.fullmatch(r"[^\x00-\x20~^:?*\[\\\x7f]+", name)
    return plain is not None and ".." not in name and "@{" not in name


def is_revision(name: str) -> bool:
    """A text that stays one question to git and names a commit: `v1`, `HEAD~2`, `main@{1}`."""
    return re.fullmatch(r"[^\x00-\x20:?*\[\\\x7f-][^\x00-\x20:?*\[\\\x7f]*", name) is not None


def read_tags(git: Git, revision: str) -> list[tuple[str, str | None]]:
    """The tags that point at a commit: annotated ones first, the newest first, with messages."""
    out = git.try_run(
        "for-each-ref",
        f"--points-at={revision}",
        "--sort=-creatordate",
        "--sort=-objecttype",
        f"--format={_TAG_FORMAT}",
        "refs/tags",
        config=False,
    )
    return _parse_tags(out or b"")


def read_tag_message(git: Git, tag: str) -> str | None:
    """An annotated tag's own message."""
    out = git.try_run("for-each-ref", f"--format={_TAG_FORMAT}", f"refs/tags/{tag}", config=False)
    return next((message for name, message in _parse_tags(out or b"") if name == tag), None)


def _parse_tags(out: bytes) -> list[tuple[str, str | None]]:
    tags: list[tuple[str, str | None]] = []
    for entry in out.decode("utf-8", "replace").split("\0\0\n")[:-1]:
        head, _, contents = entry.partition("\0")
        kind, _, name = head.partition(" ")
        # The contents of a lightweight tag are its commit's message, not its own.
        tags.append((name, strip_signature(contents) if kind == "tag" else None))
    return tags
