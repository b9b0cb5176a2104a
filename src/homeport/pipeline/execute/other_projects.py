"""Artifacts of jobs of other projects, for `needs:project`.

Asked in this order: what the user mapped the job to (`--needs-artifacts`, a folder or an archive);
the last local run of the job in the project's checkout (`--project`); the GitLab server that the
repository's own remote names, with the user's token for it, if there is one.
"""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

from homeport.errors import HomeportError
from homeport.gitlab.api import GitLab
from homeport.lib.units import format_seconds
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.handover import Given
from homeport.pipeline.execute.state import Run, State
from homeport.pipeline.model.config import CrossNeed
from homeport.pipeline.model.event import Status

MAX_DOWNLOAD = 256 * 1024 * 1024
"""Bytes of one archive from the server."""


class OtherProjects:
    """What one run needs of other projects; may be used from several threads.

    `mapped` are folders and zip archives by `GROUP/NAME:JOB` or `GROUP/NAME:JOB@REF`, `checkouts`
    are working trees by `group/name`; `server` gives the server to ask, or raises `HomeportError`
    where none may be asked.
    """

    def __init__(
        self,
        run: Run,
        *,
        mapped: Mapping[str, str],
        checkouts: Mapping[str, str],
        env: Mapping[str, str],
        server: Callable[[], GitLab],
    ) -> None:
        self._run = run
        self._mapped = {_normal(key): path for key, path in mapped.items()}
        self._checkouts = checkouts
        self._env = env
        self._server = server
        self._lock = Lock()
        self._found: dict[tuple[str, str, str], Given] = {}

    def find(self, need: CrossNeed) -> Given:
        """What a job of another project left. Raises `ExecutorError` with the reason and what
        to do if it left nothing that is to be had."""
        project, job, ref = (need.project or "").strip("/"), need.job or "", need.ref or ""
        with self._lock:  # of several jobs that need the same one asks
            key = (project.lower(), job, ref)
            if key not in self._found:
                self._found[key] = self._look(project, job, ref)
            return self._found[key]

    def _look(self, project: str, job: str, ref: str) -> Given:
        name = f"{project.lower()}:{job}"
        mapped = self._mapped.get(f"{name}@{ref}") or self._mapped.get(name)
        if mapped is not None:
            return self._from_path(Path(mapped), f"{project}:{job}")
        checkout = self._checkouts.get(project.lower())
        if checkout is not None:
            return self._from_checkout(Path(checkout), job)
        try:
            data = self._server().artifacts(project, ref, job, limit=MAX_DOWNLOAD)
        except HomeportError as error:
            advice = f"--needs-artifacts '{project}:{job}=PATH' takes them from a folder or archive"
            raise ExecutorError(f"{error}; {advice}") from error
        return self._unpacked(io.BytesIO(data), f"the artifacts of {job} of {project} at {ref}")

    def _from_path(self, path: Path, what: str) -> Given:
        if path.is_dir():
            return Given(status=Status.SUCCESS, artifacts=path)
        if not path.is_file():
            raise ExecutorError(f"{path}, which {what} is mapped to, is not there")
        return self._unpacked(path, str(path))

    def _from_checkout(self, checkout: Path, job: str) -> Given:
        found = State.open(checkout, self._env, kept_runs=0, kept_bytes=0).latest(job)
        if found is None:
            raise ExecutorError(f"{job} has not run in {checkout}; homeport run it there first")
        if found.status is not Status.SUCCESS:
            age = format_seconds(found.age)
            raise ExecutorError(f"{job} of {checkout} has not succeeded when it ran {age} ago")
        return Given(status=found.status, artifacts=found.artifacts)

    def _unpacked(self, archive: "Path | io.BytesIO", what: str) -> Given:
        from homeport.pipeline.execute.objects import Objects
        from homeport.pipeline.execute.stored_tree import StoredTree, discard
        from homeport.pipeline.execute.zip_archive import BadArchiveError, unpack

        place = self._run.folder / "needs" / os.urandom(8).hex()
        try:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            tree = StoredTree(place, Objects(self._run.objects_path))
            unpack(archive, tree)
            tree.finish()
        except (BadArchiveError, OSError) as error:
            discard(str(place))
            raise ExecutorError(f"cannot unpack {what}: {error}") from error
        return Given(status=Status.SUCCESS, artifacts=place)


def _normal(key: str) -> str:
    project, colon, job = key.partition(":")
    return f"{project.strip('/').lower()}{colon}{job}"
