"""The calls of GitLab's REST API (version 4) that homeport makes.

A project or group is named by its whole path (`group/sub/name`) or by its number as text. Each call
raises `MissingError` when the server cannot be reached or refuses.
Source: GitLab documentation, "REST API resources".
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from homeport.errors import MissingError
from homeport.gitlab.address import Url, parse_url
from homeport.gitlab.fetch import TIMEOUT, Fetcher, Response, refusal
from homeport.gitlab.host import Host

ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of one JSON answer."""
_PER_PAGE = 100
_MAX_PAGES = 200


class Tag(Struct, frozen=True, kw_only=True):
    name: str
    sha: str


class ServerJob(Struct, frozen=True, kw_only=True):
    """A job as `ci/lint` tells it. `needs` is None where the server does not tell needs."""

    name: str
    stage: str
    when: str
    allow_failure: bool
    needs: tuple[str, ...] | None = None


class Lint(Struct, frozen=True, kw_only=True):
    """An answer of `ci/lint`; `jobs` is None where the server was not asked for, or is too old to
    tell, the jobs."""

    valid: bool
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    merged_yaml: str
    jobs: tuple[ServerJob, ...] | None


class ServerVariable(Struct, frozen=True, kw_only=True):
    """A CI/CD variable of a project or group. `scope` is its environment scope (`*` is all);
    `value` is None for a hidden variable, whose value is told to nobody."""

    key: str
    value: str | None
    raw: bool
    masked: bool
    protected: bool
    file: bool
    scope: str


def api_address(name: str, hosts: Mapping[str, Host], *, scheme: str = "https") -> str:
    """The address of a server's API: as the settings say, else `SCHEME://NAME/api/v4`."""
    host = hosts.get(name.lower())
    if host is not None and host.api_url:
        return host.api_url
    return f"{scheme}://{name}/api/v4"


class GitLab:
    """One server; `base_url` is the address of its API (`https://gitlab.corp/api/v4`)."""

    def __init__(self, base_url: str, fetcher: Fetcher, *, timeout: float = TIMEOUT) -> None:
        self.base = base_url.rstrip("/")
        self.url: Url = parse_url(self.base)
        self._fetcher = fetcher
        self._timeout = timeout

    def raw_file(self, project: str, path: str, ref: str, *, limit: int) -> bytes:
        """A file of a repository at a branch, tag or commit."""
        response = self._get(
            f"/projects/{_part(project)}/repository/files/{_part(path)}/raw",
            {"ref": ref},
            limit=limit,
        )
        return self._accepted(response, f"{path} of {project} at {ref}").body

    def tree(self, project: str, ref: str, path: str = "") -> tuple[str, ...]:
        """The paths of all files below `path` at a ref."""
        query = {"ref": ref, "recursive": "true", "path": path}
        entries = self._pages(
            f"/projects/{_part(project)}/repository/tree",
            {key: value for key, value in query.items() if value},
            f"the files of {project} at {ref}",
        )
        return tuple(_text(entry, "path") for entry in entries if entry.get("type") == "blob")

    def artifacts(self, project: str, ref: str, job: str, *, limit: int) -> bytes:
        """The archive (zip) of a job's artifacts in the last pipeline of a ref that succeeded."""
        response = self._get(
            f"/projects/{_part(project)}/jobs/artifacts/{_part(ref)}/download",
            {"job": job},
            limit=limit,
        )
        return self._accepted(response, f"the artifacts of {job} of {project} at {ref}").body

    def commit(self, project: str, ref: str) -> str:
        """The SHA that a branch, tag or short SHA stands for."""
        what = f"{ref} of {project}"
        path = f"/projects/{_part(project)}/repository/commits/{_part(ref)}"
        return _text(self._mapping(self._get(path, {"stats": "false"}), what), "id")

    def tags(self, project: str) -> tuple[Tag, ...]:
        """All tags, in the server's order (last updated first)."""
        path = f"/projects/{_part(project)}/repository/tags"
        found = self._pages(path, {}, f"the tags of {project}")
        return tuple(
            Tag(name=_text(entry, "name"), sha=_text(_inner(entry, "commit"), "id"))
            for entry in found
        )

    def releases(self, project: str) -> tuple[str, ...]:
        """The tags of all releases, newest first."""
        path = f"/projects/{_part(project)}/releases"
        found = self._pages(path, {}, f"the releases of {project}")
        return tuple(_text(entry, "tag_name") for entry in found)

    def template(self, key: str) -> str:
        """The content of one of the server's CI templates; `key` has no `.gitlab-ci.yml`."""
        what = f"the template {key}"
        response = self._get(f"/templates/gitlab_ci_ymls/{_part(key)}", {})
        return _text(self._mapping(response, what), "content")

    def lint(
        self,
        project: str,
        content: str,
        *,
        dry_run: bool = False,
        include_jobs: bool = True,
        ref: str | None = None,
    ) -> Lint:
        """What the server makes of `content` in a project (`POST …/ci/lint`).

        `dry_run` evaluates rules as a pipeline of `ref`, which exists on the server; otherwise the
        jobs are those that could be. The content leaves this machine.
        """
        import msgspec

        question: dict[str, object] = {
            "content": content,
            "dry_run": dry_run,
            "include_jobs": include_jobs,
        }
        if ref is not None:
            question["ref"] = ref
        response = self._fetcher.post(
            f"{self.base}/projects/{_part(project)}/ci/lint",
            msgspec.json.encode(question),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            limit=ANSWER_LIMIT,
            timeout=self._timeout,
        )
        return _lint(self._mapping(response, f"ci/lint of {project}"))

    def lint_stored(
        self,
        project: str,
        *,
        ref: str,
        dry_run: bool = False,
        include_jobs: bool = True,
    ) -> Lint:
        """What the server makes of its own copy of the CI file at `ref` (`GET …/ci/lint`)."""
        query = {
            "content_ref": ref,
            "dry_run": _word(dry_run),
            "dry_run_ref": ref,
            "include_jobs": _word(include_jobs),
        }
        response = self._get(f"/projects/{_part(project)}/ci/lint", query)
        return _lint(self._mapping(response, f"ci/lint of {project}"))

    def project_variables(self, project: str) -> tuple[ServerVariable, ...]:
        """A project's own CI/CD variables; only a maintainer may read them."""
        what = f"the variables of {project}"
        return self._variables(f"/projects/{_part(project)}/variables", what)

    def group_variables(self, group: str) -> tuple[ServerVariable, ...]:
        """A group's own CI/CD variables; only an owner may read them."""
        what = f"the variables of the group {group}"
        return self._variables(f"/groups/{_part(group)}/variables", what)

    def namespace(self, project: str) -> str | None:
        """The path of the group that holds a project; None if it is a user's."""
        what = f"the project {project}"
        found = self._mapping(self._get(f"/projects/{_part(project)}", {}), what)
        namespace = _inner(found, "namespace")
        return _text(namespace, "full_path") if namespace.get("kind") == "group" else None

    def is_protected(self, project: str, kind: str, name: str) -> bool:
        """Whether a ref is protected; `kind` is `branches` or `tags`. One that the server does not
        know is not."""
        path = f"/projects/{_part(project)}/repository/{kind}/{_part(name)}"
        response = self._get(path, {})
        if response.status == 404:
            return False
        return self._mapping(response, f"{name} of {project}").get("protected") is True

    def _variables(self, path: str, what: str) -> tuple[ServerVariable, ...]:
        return tuple(
            ServerVariable(
                key=_text(entry, "key"),
                value=None if entry.get("value") is None else str(entry["value"]),
                raw=bool(entry.get("raw")),
                masked=bool(entry.get("masked") or entry.get("hidden")),
                protected=bool(entry.get("protected")),
                file=entry.get("variable_type") == "file",
                scope=str(entry.get("environment_scope") or "*"),
            )
            for entry in self._pages(path, {}, what)
        )

    def _get(self, path: str, query: Mapping[str, str], *, limit: int = ANSWER_LIMIT) -> Response:
        from urllib.parse import urlencode

        address = f"{self.base}{path}{'?' + urlencode(query) if query else ''}"
        return self._fetcher.get(address, limit=limit, timeout=self._timeout, api=True)

    def _pages(self, path: str, query: Mapping[str, str], what: str) -> Iterator[dict[str, Any]]:
        """Every entry of a list. Links in answers are not followed: they could lead elsewhere."""
        page = "1"
        for _ in range(_MAX_PAGES):
            response = self._get(path, {**query, "per_page": str(_PER_PAGE), "page": page})
            entries = _decoded(self._accepted(response, what), what)
            if not isinstance(entries, list):
                raise _strange(what)
            for entry in entries:
                if not isinstance(entry, dict):
                    raise _strange(what)
                yield entry
            page = response.headers.get("x-next-page", "").strip()
            if not page:
                return
            if not page.isdecimal():
                raise _strange(what)
        raise MissingError.of(
            f"{what}: there are more than {_MAX_PAGES * _PER_PAGE}", code="too-large"
        )

    def _mapping(self, response: Response, what: str) -> dict[str, Any]:
        found = _decoded(self._accepted(response, what), what)
        if not isinstance(found, dict):
            raise _strange(what)
        return found

    def _accepted(self, response: Response, what: str) -> Response:
        if response.status >= 300:
            advice = self._fetcher.credentials.advice(self.url)
            raise refusal(response, advice=advice, what=f"{what} on {self.url.authority}")
        return response


def _lint(answer: Mapping[str, Any]) -> Lint:
    jobs = answer.get("jobs")
    return Lint(
        valid=answer.get("valid") is True,
        errors=_texts(answer.get("errors")),
        warnings=_texts(answer.get("warnings")),
        merged_yaml=str(answer.get("merged_yaml") or ""),
        jobs=tuple(map(_job, jobs)) if isinstance(jobs, list) else None,
    )


def _job(entry: object) -> ServerJob:
    if not isinstance(entry, dict):
        raise _strange("ci/lint")
    needs = entry.get("needs")
    return ServerJob(
        name=_text(entry, "name"),
        stage=_text(entry, "stage"),
        when=str(entry.get("when") or "on_success"),
        allow_failure=bool(entry.get("allow_failure")),
        needs=tuple(map(_need, needs)) if isinstance(needs, list) else None,
    )


def _need(entry: object) -> str:
    return _text(entry, "name") if isinstance(entry, dict) else str(entry)


def _decoded(response: Response, what: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _strange(what) from None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise _strange(f"an answer without {key}")
    return value


def _inner(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = entry.get(key)
    return value if isinstance(value, dict) else {}


def _strange(what: str) -> MissingError:
    return MissingError.of(
        f"{what}: this is not how GitLab answers",
        code="not-gitlab",
        hint="check the address; where the API is not at /api/v4, set api_url for the host",
    )


def _part(text: str) -> str:
    """One segment of a path: a slash inside it is encoded, as GitLab asks for."""
    from urllib.parse import quote

    # A segment of dots would be taken out of the path on the way.
    return quote(text, safe="").replace(".", "%2E") if not text.strip(".") else quote(text, safe="")


def _word(value: bool) -> str:
    return "true" if value else "false"
