"""What is checked out: read from the files of the git folder, without a process where possible.

Source: gitrepository-layout(5).
"""

from pathlib import Path

from homeport.lib.git import Git

_MAX_REF_FILE = 4096


def current_branch(git: Git) -> str | None:
    """The branch that HEAD is on, born or not; None for a detached head."""
    head = git_folder(git.root) / "HEAD"
    text = _read(head)
    if text is None or head.is_symlink() or text == "ref: refs/heads/.invalid":
        # A symbolic link is git's oldest form, `.invalid` that of the reftable format.
        found = git.try_run("symbolic-ref", "--quiet", "HEAD", config=False)
        text = "" if found is None else "ref: " + found.decode("utf-8", "surrogateescape").strip()
    return text.removeprefix("ref: refs/heads/") if text.startswith("ref: refs/heads/") else None


def remote_head(git: Git, remote: str) -> str | None:
    """The remote's default branch as the last clone or `git remote set-head` noted it."""
    if ".." in remote.split("/"):
        return None
    folder = git_folder(git.root)
    common = _read(folder / "commondir")
    if common is not None:
        folder /= common
    prefix = f"ref: refs/remotes/{remote}/"
    text = _read(folder / "refs" / "remotes" / remote / "HEAD")
    return text.removeprefix(prefix) if text is not None and text.startswith(prefix) else None


def git_folder(root: Path) -> Path:
    """The git folder of a working tree: `.git`, or what the `.git` file of a worktree or submodule
    names."""
    mark = root / ".git"
    if mark.is_dir():
        return mark
    text = _read(mark)
    return root / text.removeprefix("gitdir: ") if text is not None else mark


def _read(path: Path) -> str | None:
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(_MAX_REF_FILE).decode("utf-8", "surrogateescape").strip()
    except OSError:
        return None
