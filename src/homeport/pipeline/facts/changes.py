"""Answers about files and changes that depend on the configuration: asked once, remembered."""

import re

from homeport.lib.git import Git
from homeport.pipeline.facts.objects import is_ref_name, read_commits
from homeport.pipeline.facts.remote import choose_remote
from homeport.pipeline.model.trigger import AllChanged, Source, Trigger, Unresolved

INVALID_COMPARE_TO = "rules:changes:compare_to is not a valid ref"
"""GitLab's own words for a base that the repository does not know."""

_NULL_SHA = "0" * 40
_PUSHED = frozenset((Source.PUSH, Source.PARENT_PIPELINE))
"""A child pipeline compares what its parent compares."""


class GitFacts:
    """The facts of one working tree (`model.trigger.Facts`): one git process or two for a base.

    The files of a push are those that a commit of everything here and its push would change:
    committed, staged, changed and untracked ones, but not ignored ones. Where the trigger is for
    the commit alone, they are the commit's.
    """

    def __init__(self, git: Git, trigger: Trigger) -> None:
        self._git = git
        self._trigger = trigger
        self._changes: dict[str | None, tuple[str, ...] | Unresolved | AllChanged] = {}
        self._files: dict[str | None, tuple[str, ...] | Unresolved] = {}
        self._untracked: tuple[str, ...] | None = None

    def changed_files(self, compare_to: str | None) -> tuple[str, ...] | Unresolved | AllChanged:
        """As `Facts.changed_files`: since the branch was last pushed, in a merge request since the
        merge base with its target, or since the merge base with `compare_to`."""
        if compare_to not in self._changes:
            self._changes[compare_to] = (
                self._own() if compare_to is None else self._since(compare_to)
            )
        return self._changes[compare_to]

    def files(self, project: str | None, ref: str | None) -> tuple[str, ...] | Unresolved:
        """As `Facts.files`: tracked and untracked files that are not ignored, sorted; at a ref of
        this project the files of its commit."""
        if project is not None and not self._is_own(project):
            return Unresolved(f"the files of project {project} are not available here")
        if ref not in self._files:
            self._files[ref] = self._list_files() if ref is None else self._list_at(ref)
        return self._files[ref]

    def _list_files(self) -> tuple[str, ...]:
        if self._trigger.committed and self._trigger.commit is not None:
            return self._list_tree(self._trigger.commit.sha)
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

    def _list_at(self, ref: str) -> tuple[str, ...] | Unresolved:
        sha = self._find(ref)
        return (
            Unresolved(f"there is no {ref} in this clone") if sha is None else self._list_tree(sha)
        )

    def _list_tree(self, sha: str) -> tuple[str, ...]:
        out = self._git.run("ls-tree", "-r", "-z", "--full-tree", sha, config=False)
        entries = (entry.partition("\t") for entry in _paths(out))
        return tuple(sorted(path for head, _, path in entries if " blob " in head))

    def _is_own(self, project: str) -> bool:
        own = self._trigger.project
        return own is not None and own.path.lower() == project.lower()

    def _own(self) -> tuple[str, ...] | Unresolved | AllChanged:
        base = self._base()
        if not isinstance(base, str):
            return base
        changed = self._diff(base)
        if changed is None:
            return Unresolved(f"this clone lacks the commit {base} to compare with")
        return self._with_untracked(changed)

    def _base(self) -> str | Unresolved | AllChanged:
        """The commit that this pipeline compares with: GitLab's `Ci::Pipeline#changed_paths`."""
        trigger = self._trigger
        if trigger.commit is None:
            return AllChanged("there is no commit yet")
        if trigger.merge_request is not None:
            target = trigger.merge_request.target_branch
            return trigger.merge_request.base_sha or Unresolved(
                f"this clone has no target branch {target} to compare with"
            )
        if trigger.tag is not None:
            return AllChanged("a tag is compared with nothing")
        if trigger.source not in _PUSHED:
            return AllChanged(f"a pipeline of source {trigger.source.value} is no push")
        if trigger.branch is None or trigger.before_sha == _NULL_SHA:
            return AllChanged(
                "the branch is new to its remote (--changes-since REF compares with a commit)"
            )
        return trigger.before_sha

    def _since(self, base: str) -> tuple[str, ...] | Unresolved:
        """Changes since the merge base with a branch (the remote's first), tag or commit."""
        found = self._find(base)
        if found is None:
            return Unresolved(INVALID_COMPARE_TO)
        changed = self._diff(found, merge_base=True)
        if changed is None:
            return Unresolved(f"{base} and this commit have no common history in this clone")
        return self._with_untracked(changed)

    def _find(self, name: str) -> str | None:
        """The commit of a branch (the remote's first), a tag or a SHA."""
        if self._trigger.commit is None or not is_ref_name(name):
            return None
        remote = choose_remote(self._git.config, self._trigger.branch) or "origin"
        names = [f"refs/remotes/{remote}/{name}", f"refs/heads/{name}", f"refs/tags/{name}"]
        if re.fullmatch("[0-9a-f]{7,64}", name):
            names.append(name)
        return next((found[0] for found in read_commits(self._git, names).values() if found), None)

    def _diff(self, base: str, *, merge_base: bool = False) -> tuple[str, ...] | None:
        trigger = self._trigger
        options = ("--merge-base",) if merge_base else ()
        head = (trigger.commit.sha,) if trigger.committed and trigger.commit is not None else ()
        out = self._git.try_run(
            "diff", "--name-only", "-z", "--no-renames", *options, base, *head, "--"
        )
        return None if out is None else _paths(out)

    def _with_untracked(self, changed: tuple[str, ...]) -> tuple[str, ...]:
        if self._trigger.committed:
            return tuple(sorted(changed))
        if self._untracked is None:
            self._untracked = _paths(
                self._git.run("ls-files", "-z", "--others", "--exclude-standard", config=False)
            )
        return tuple(sorted({*changed, *self._untracked}))


def _paths(out: bytes) -> tuple[str, ...]:
    return tuple(out.decode("utf-8", "surrogateescape").split("\0")[:-1])
