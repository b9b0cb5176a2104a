"""A job's own folder: laid out from copies, removed when the job is over.

Only copies, never hard links: a job may write into any of its files, and the user's tree must not
change. Symbolic links are made anew, never followed.
"""

import errno
import os
import stat
from collections.abc import Iterable

from homeport.lib.atomic import write_all
from homeport.pipeline.execute.api import ExecutorError, Snapshot

_BLOCK = 1 << 20
# O_NONBLOCK: opening a FIFO must not wait for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK_ERRORS = (errno.ELOOP, errno.EMLINK)  # O_NOFOLLOW on Linux and macOS, on FreeBSD
_GONE_ERRORS = (errno.ENOENT, errno.ENOTDIR)
_OTHER_KIND_ERRORS = (errno.ENXIO, errno.EOPNOTSUPP)  # opening a socket
_COPY_RANGE = getattr(os, "copy_file_range", None)


def lay_out(snapshot: Snapshot, root: str) -> None:
    """Fill the new folder `root` with the snapshot's files and its `.git`.

    Files that are gone since the snapshot are left out; a folder in the list (a submodule) is made
    empty. Raises `ExecutorError` for a file that cannot be read or written.
    """
    source = os.fspath(snapshot.root)
    try:
        os.makedirs(root)
        copy_listed(source, snapshot.files, root)
        if snapshot.git is not None:
            git = os.path.join(root, ".git")
            os.mkdir(git)
            copy_tree(os.fspath(snapshot.git), git)
    except OSError as error:
        raise ExecutorError(_in_words("cannot lay out the workspace", error)) from error


def overlay(tree: str, root: str) -> None:
    """Copy a tree of artifacts over the folder `root`; its files replace those that are there."""
    from homeport.pipeline.execute.stored_tree import lay_over

    try:
        lay_over(tree, root)
    except OSError as error:
        raise ExecutorError(_in_words("cannot put the artifacts in place", error)) from error


def copy_listed(source: str, files: Iterable[str], root: str, *, times: bool = False) -> None:
    """Copy files given by relative path into the empty folder `root`.

    Those that are gone are left out, and those below a link, which are not in the tree.
    """
    made = {"": True}
    for file in files:
        folder, _, name = file.rstrip("/").rpartition("/")
        if not made.get(folder, False) and not _make_parents(source, folder, root, made):
            continue
        if name in ("", ".", ".."):
            continue
        target = f"{root}/{folder}/{name}" if folder else f"{root}/{name}"
        copy_entry(f"{source}/{file}", target, times=times)


def copy_tree(source: str, target: str, *, times: bool = False) -> None:
    """Copy what is in the folder `source` into the existing folder `target`."""
    pending = [(source, target)]
    while pending:
        here, there = pending.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                path = os.path.join(there, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    make_folder(path)
                    pending.append((entry.path, path))
                else:
                    copy_entry(entry.path, path, times=times)


def make_folder(path: str) -> None:
    """A real folder at `path`, whose parent exists; a link or file that is there makes way."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            os.mkdir(path)


def copy_entry(
    source: str, target: str, *, times: bool = False, given: tuple[int, int] | None = None
) -> bool:
    """Copy a file (with its mode, and its time if asked), a link, or an empty folder.

    `given` are a file's mode and time (nanoseconds), where they are not its own.

    False if there is nothing to copy: the source is gone, or is a device, FIFO or socket.
    """
    try:
        reader = os.open(source, _READ)
    except OSError as error:
        if error.errno in _LINK_ERRORS:
            _replace(target)
            os.symlink(os.readlink(source), target)
            return True
        if error.errno in _GONE_ERRORS or error.errno in _OTHER_KIND_ERRORS:
            return False
        raise
    try:
        facts = os.fstat(reader)
        if stat.S_ISDIR(facts.st_mode):
            make_folder(target)
            return True
        if not stat.S_ISREG(facts.st_mode):
            return False
        mode, time = given or (stat.S_IMODE(facts.st_mode) & 0o777, facts.st_mtime_ns)
        try:
            writer = os.open(target, _WRITE, mode)
        except FileExistsError:
            _replace(target)
            writer = os.open(target, _WRITE, mode)
        try:
            copy_content(reader, writer, facts.st_size)
            if stat.S_IMODE(os.fstat(writer).st_mode) != mode:  # what the umask took away
                os.fchmod(writer, mode)
            if times:
                os.utime(writer, ns=(time, time))
        finally:
            os.close(writer)
    finally:
        os.close(reader)
    return True


def copy_content(reader: int, writer: int, size: int) -> None:
    """Copy `size` bytes, or what has become of them, from one open file to another."""
    if size > _BLOCK and _COPY_RANGE is not None:
        # Shares the blocks where the file system can (btrfs, XFS), else copies inside the kernel.
        try:
            while _COPY_RANGE(reader, writer, 1 << 30):
                pass
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        else:
            return
    while block := os.read(reader, _BLOCK):
        write_all(writer, block)


def remove(path: str) -> None:
    """Remove a file or a folder with all that is in it; read-only folders and absence are fine.

    What cannot be removed (a file of another user) is left.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return
        _remove_folder(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        _remove_by_force(path)


def _make_parents(source: str, folder: str, root: str, made: dict[str, bool]) -> bool:
    path = ""
    for part in folder.split("/"):
        path = f"{path}/{part}" if path else part
        if path not in made:
            made[path] = part not in ("", ".", "..") and _is_folder(f"{source}/{path}")
            if made[path]:
                os.mkdir(f"{root}/{path}")
        if not made[path]:
            made[folder] = False
            return False
    return True


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def _replace(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _remove_folder(path: str) -> None:
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _remove_folder(entry.path)
            else:
                os.unlink(entry.path)
    os.rmdir(path)


def _remove_by_force(path: str) -> None:
    """The slow way: folders without write permission, and trees deeper than a path can name."""
    import subprocess

    for command in (["chmod", "-R", "u+rwX", "--", path], ["rm", "-rf", "--", path]):
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
        except OSError:
            return


def _in_words(what: str, error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"{what}{place}: {error.strerror or error}"
