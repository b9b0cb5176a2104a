"""Answers about files and changes that depend on the configuration: asked once, remembered."""

import re
from pathlib import Path

from homeport.lib.git import Git
from homeport.pipeline.facts.remote import choose_remote
from homeport.pipeline.facts.repository import upstream
from homeport.pipeline.model.trigger import Source, Trigger, Unresolved

INVALID_COMPARE_TO = "rules:changes:compare_to is not a valid ref"
"""GitLab's own words for a base that the repository does not know."""


class GitFacts:
    """The facts of one working tree (`model.trigger.Facts`): one git process or two for a base.

    The files of a push are those that a commit of everything here and its push would change:
    committed, staged, changed and untracked ones, but not ignored ones.
    """

    def __init__(self, root: str | Path, trigger: Trigger) -> None:
        self._git = Git(root)
        self._trigger = trigger
        self._changes: dict[str | None, tuple[str, ...] | Unresolved | None] = {}
        self._files: tuple[str, ...] | None = None
        self._untracked: tuple[str, ...] | None = None

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | None:
        """As `Facts.changed_files`: since the branch was last pushed, or since the merge base with
        `compare_to`; None for a new branch and for every pipeline that is no push of a branch."""
        if compare_to not in self._changes:
            self._changes[compare_to] = (
                self._pushed() if compare_to is None else self._since(compare_to)
            )
        return self._changes[compare_to]

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        """As `Facts.files`: tracked and untracked files that are not ignored, sorted."""
        if project is not None and not self._is_own(project):
            return Unresolved(f"the files of project {project} are not available here")
        if ref is not None:
            return Unresolved(f"the files at ref {ref} of another checkout are not available here")
        if self._files is None:
            self._files = self._list_files()
        return self._files

    def _list_files(self) -> tuple[str, ...]:
        out = self._git.run(
            "ls-files",
            *("-z", "-t", "--stage", "--cached", "--others", "--deleted", "--exclude-standard"),
            config=False,
        )
        present: set[str] = set()
        gone: set[str] = set()
        for entry in _paths(out):
            status, _, rest = entry.partition(" ")
            if status == "?":
                # An untracked repository in the tree is listed as a folder.
                if not rest.endswith("/"):
                    present.add(rest)
                continue
            mode, _, path = rest.partition("\t")
            if status == "R" or mode.startswith("160000"):
                gone.add(path)
            else:
                present.add(path)
        return tuple(sorted(present - gone))

    def _is_own(self, project: str) -> bool:
        own = self._trigger.project
        return own is not None and own.path.lower() == project.lower()

    def _pushed(self) -> tuple[str, ...] | None:
        trigger = self._trigger
        if trigger.source is not Source.PUSH or trigger.branch is None or trigger.commit is None:
            return None
        git = self._git
        ref = upstream(git, trigger.branch, choose_remote(git.config, trigger.branch))
        changed = None if ref is None else self._diff(ref)
        return None if changed is None else self._with_untracked(changed)

    def _since(self, base: str) -> tuple[str, ...] | Unresolved:
        """Changes since the merge base with a branch (the remote's first), tag or commit."""
        remote = choose_remote(self._git.config, self._trigger.branch) or "origin"
        names = [f"refs/remotes/{remote}/{base}", f"refs/heads/{base}", f"refs/tags/{base}"]
        if re.fullmatch("[0-9a-f]{7,64}", base):
            names.append(base)
        if self._trigger.commit is None or not _is_ref_name(base):
            return Unresolved(INVALID_COMPARE_TO)
        asked = "".join(f"{name}^{{commit}}\n" for name in names)
        out = self._git.run("cat-file", "--batch-check", input=asked.encode(), config=False)
        lines = [line.split(" ") for line in out.decode().splitlines()]
        found = next((words[0] for words in lines if len(words) == 3), None)
        if found is None:
            return Unresolved(INVALID_COMPARE_TO)
        changed = self._diff(found, merge_base=True)
        if changed is None:
            return Unresolved(f"{base} and this commit have no common history in this clone")
        return self._with_untracked(changed)

    def _diff(self, base: str, *, merge_base: bool = False) -> tuple[str, ...] | None:
        options = ("--merge-base",) if merge_base else ()
        out = self._git.try_run("diff", "--name-only", "-z", "--no-renames", *options, base, "--")
        return None if out is None else _paths(out)

    def _with_untracked(self, changed: tuple[str, ...]) -> tuple[str, ...]:
        if self._untracked is None:
            self._untracked = _paths(
                self._git.run("ls-files", "-z", "--others", "--exclude-standard", config=False)
            )
        return tuple(sorted({*changed, *self._untracked}))


def _paths(out: bytes) -> tuple[str, ...]:
    return tuple(out.decode("utf-8", "surrogateescape").split("\0")[:-1])


def _is_ref_name(name: str) -> bool:
    """As git-check-ref-format(1), as far as a name could mean something else to git."""
    plain = re.fullmatch(r"[^\x00-\x20~^:?*\[\\\x7f]+", name)
    return plain is not None and ".." not in name and "@{" not in name
