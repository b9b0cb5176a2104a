"""Includes from elsewhere, from real servers on loopback: git, GitLab's API, plain files."""

import base64
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.git_server import GitProjects, clean_env, git, git_backend
from testbed.gitlab import FakeGitLab
from testbed.web import Answer, Asked, Authority, Server, make_authority, serving, talking, to

JOB = "job: {script: echo}\n"


class Site:
    """A GitLab at https://127.0.0.1:PORT with git, an API and files, and a repository of it."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.projects = GitProjects(folder / "projects")
        self.projects.root.mkdir()
        self.gitlab = FakeGitLab({})
        self.files: dict[str, Answer] = {}
        self.authority = authority
        self.server: Server
        self.home = folder / "home"
        self.repository = folder / "app"
        self.settings = ""
        self.env: dict[str, str] = {}
        self._git = git_backend(self.projects.root)

    def __call__(self, asked: Asked) -> Answer:
        if asked.path.startswith("/api/"):
            return self.gitlab(asked)
        if asked.path in self.files:
            return self.files[asked.path]
        return self._git(asked)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def write(self, text: str, **files: str) -> None:
        """The repository's CI file, and others by names without their suffix."""
        if not self.repository.exists():
            self.repository.mkdir()
            git("init", "-q", "-b", "main", cwd=self.repository)
            git("remote", "add", "origin", f"https://{self.host}/group/app.git",
                cwd=self.repository)  # fmt: skip
        (self.repository / ".gitlab-ci.yml").write_text(text)
        for name, content in files.items():
            (self.repository / f"{name}.yml").write_text(content)
        git("add", "-A", cwd=self.repository)
        git("commit", "-q", "--allow-empty", "-m", "c", cwd=self.repository)

    def run(self, *args: str) -> "Result":
        config = self.home / ".config" / "homeport"
        config.mkdir(parents=True, exist_ok=True)
        (config / "config.toml").write_text(self.settings)
        env = {
            **clean_env(),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "SSL_CERT_FILE": str(self.authority.ca),
            "NO_PROXY": "*",
            **self.env,
        }
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "homeport", *args],
            check=False,
            cwd=self.repository,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert "internal error" not in done.stderr, done.stderr
        return Result(done, time.monotonic() - began)

    def asked(self) -> int:
        """How many requests there were since this was last asked."""
        count = len(self.server.asked)
        self.server.asked.clear()
        return count


class Result:
    def __init__(self, done: "subprocess.CompletedProcess[str]", seconds: float) -> None:
        self.status, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.seconds = seconds

    @property
    def jobs(self) -> list[str]:
        assert self.status in (0, 3), self.stderr
        return sorted(job["name"] for job in json.loads(self.stdout)["jobs"])

    @property
    def missing(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = json.loads(self.stdout)["missing_includes"]
        return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def site(tmp_path: Path, authority: Authority) -> Iterator[Site]:
    made = Site(tmp_path, authority)
    with serving(made, certificate=authority.certificate) as server:
        made.server = made.gitlab.server = server
        yield made


def test_project_over_git(site: Site) -> None:
    site.projects.commit(
        "group/tools",
        {
            "a.yml": "include: [parts/b.yml, '/parts/c*.yml']\na: {script: echo}\n",
            "parts/b.yml": "b: {script: echo}\n",
            "parts/c1.yml": "c1: {script: echo}\n",
            "parts/c2.yml": "c2: {script: echo}\n",
        },
        tag="v1",
    )
    site.projects.commit("group/tools", {"parts/b.yml": "b2: {script: echo}\n"})
    site.write("include: {project: group/tools, file: [/a.yml], ref: v1}\n" + JOB)
    found = site.run("list", "--json")
    assert found.jobs == ["a", "b", "c1", "c2", "job"], found.stderr
    site.write("include: {project: Group/Tools, file: a.yml}\n" + JOB)
    site.projects.root.joinpath("Group").symlink_to("group")
    assert site.run("list", "--json").jobs == ["a", "b2", "c1", "c2", "job"]


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ("{project: group/tools, file: gone.yml}",
         "Project `group/tools` file `gone.yml` does not exist!"),
        ("{project: group/tools, file: a.yml, ref: gone}",
         "Project `group/tools` reference `gone` does not exist!"),
        ("{project: group/tools, file: empty.yml}",
         "Project `group/tools` file `empty.yml` is empty!"),
        ("{project: group/tools, file: ../../x.yml}",
         "Project `group/tools` file `../../x.yml` does not exist!"),
        ("{project: group/tools, file: inner.yml}", "Local file `gone.yml` does not exist!"),
        ("{project: group/tools, file: link.yml}", "`link.yml`: Invalid configuration format"),
        ("{remote: 'https://HOST/gone.yml'}",
         "Remote file `https://HOST/gone.yml` could not be fetched after 1 attempt because of "),
        ("{remote: 'https://HOST/local.yml'}", "Local file `a.yml` does not have project!"),
        ("{remote: 'https://HOST/r.yml', integrity: sha256-AAAA}",
         "Remote file `https://HOST/r.yml` failed integrity check!"),
        ("{remote: 'https://HOST/r.yml', integrity: md5-AAAA}",
         "include config integrity hash must start with 'sha256-'"),
        ("{remote: 'https://HOST/big.yml'}", "https://HOST/big.yml is larger than 2 MiB"),
        ("{template: Gone.gitlab-ci.yml}",
         "Included file `Gone.gitlab-ci.yml` is empty or does not exist!"),
        ("{component: HOST/group/parts/gone@1.0.0}",
         "Component 'HOST/group/parts/gone@1.0.0' - content not found"),
        ("{component: HOST/group/parts/header@1.0.0}",
         "Component `HOST/group/parts/header@1.0.0` cannot use `spec:include`. This keyword "),
    ],
)  # fmt: skip
def test_what_is_wrong_in_itself_is_said_in_gitlabs_words(
    site: Site, include: str, message: str
) -> None:
    site.projects.commit(
        "group/tools", {"a.yml": JOB, "empty.yml": "\n", "inner.yml": "include: gone.yml\n"}
    )
    tree = site.projects.root / ".trees/group/tools"
    (tree / "link.yml").symlink_to("/etc/passwd")
    site.projects.commit("group/tools", {})
    header = "spec: {include: [x.yml]}\n---\n" + JOB
    site.projects.commit("group/parts", {"templates/header.yml": header}, tag="1.0.0")
    site.files = {
        "/gone.yml": Answer(404),
        "/local.yml": Answer(body=b"include: a.yml"),
        "/r.yml": Answer(body=JOB.encode()),
        "/big.yml": Answer(body=b"#" * (3 * 1024 * 1024)),
    }
    site.gitlab.answers["/templates/gitlab_ci_ymls/Gone"] = Answer(
        404, b'{"message":"404 GitlabCiYml Not Found"}'
    )
    site.write(f"include: [{include}]\n".replace("HOST", site.host) + JOB)
    found = site.run("lint")
    assert found.status == 2, found.stderr
    assert message.replace("HOST", site.host) in found.stderr
    assert ".gitlab-ci.yml:1:" in found.stderr


def test_components(site: Site) -> None:
    part = (
        "spec: {component: [name, sha, version, reference], inputs: {stage: {default: test}}}\n"
        "---\n'$[[ component.name ]] $[[ component.version ]] $[[ component.reference ]]':\n"
        "  {script: 'echo $[[ component.sha ]]', stage: '$[[ inputs.stage ]]'}\n"
    )
    shas = [
        site.projects.commit("group/parts", {"templates/one.yml": f"{part}# {tag}\n"}, tag=tag)
        for tag in ("1.0.0", "1.1.0", "1.1.2", "2.0.0-rc", "2.0.0")
    ]
    site.projects.commit("group/parts", {"templates/two/template.yml": part})
    versions = ["one@1", "one@1.1", "one@1.0.0", "one@~latest", "one@2.0.0-rc", f"one@{shas[1]}"]
    entries = [f"{{component: $CI_SERVER_FQDN/group/parts/{each}}}" for each in versions]
    entries.append(f"{{component: {site.host}/group/parts/two@main, inputs: {{stage: build}}}}")
    site.write(f"include: [{', '.join(entries)}]\n")
    found = site.run("list", "--json")
    assert found.jobs == sorted(
        [
            "one 1.1.2 1",
            "one 1.1.2 1.1",
            "one 1.0.0 1.0.0",
            "one 2.0.0 ~latest",
            "one  2.0.0-rc",
            f"one  {shas[1]}",
            "two  main",
        ]
    )
    assert f"echo {shas[2]}" in site.run("render").stdout


def test_api_where_there_is_a_token(site: Site) -> None:
    files = "/projects/group/tools/repository/files"
    token = site.gitlab.token = "glpat-secret"  # noqa: S105 - of no server
    site.gitlab.answers = {
        "/projects/group/tools/repository/commits/main": {"id": "a" * 40},
        f"{files}/ci/a.yml/raw": b"include: ci/*.yml\na: {script: echo}\n",
        f"{files}/ci/b.yml/raw": b"b: {script: echo}\n",
        "/projects/group/tools/repository/tree": [
            {"path": "ci", "type": "tree"},
            {"path": "ci/a.yml", "type": "blob"},
            {"path": "ci/b.yml", "type": "blob"},
        ],
        "/templates/gitlab_ci_ymls/Jobs/Build": {"content": "t: {script: echo}"},
    }
    site.settings = f'[hosts."{site.host}"]\ntoken_env = "CORP"\n'
    site.env = {"CORP": token}
    site.write(
        "include:\n  - {project: group/tools, file: ci/a.yml, ref: main}\n"
        "  - {template: Jobs/Build.gitlab-ci.yml}\n"
    )
    found = site.run("list", "--json")
    assert found.jobs == ["a", "b", "t"], found.stderr
    assert token not in found.stdout + found.stderr
    site.env = {"CORP": "glpat-wrong"}
    site.asked()
    assert site.run("list", "--json", "--offline").jobs == ["a", "b", "t"]
    assert site.asked() == 0


def test_remote_with_integrity_redirects_and_inputs(site: Site) -> None:
    body = b"spec: {inputs: {name: }}\n---\n'$[[ inputs.name ]]': {script: echo}\n"
    integrity = "sha256-" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    site.files = {"/r.yml": Answer(body=body)}

    def redirect(_asked: Asked) -> Answer:
        return to(f"https://{site.host}/r.yml")

    with serving(redirect, certificate=site.authority.certificate) as other:
        site.settings = f'[hosts."127.0.0.1:{other.port}"]\n'
        site.write(
            "include:\n"
            f"  - {{remote: 'https://127.0.0.1:{other.port}/x.yml', inputs: {{name: a}},"
            f" integrity: {integrity}}}\n"
        )
        found = site.run("list", "--json")
        assert found.jobs == ["a"], found.stderr


def test_a_url_into_a_private_network_is_not_read(site: Site) -> None:
    with serving(lambda _asked: Answer(body=b"a: {script: echo}")) as inner:
        site.files = {"/hop.yml": to(inner.url("/a.yml").replace("http:", "https:"))}
        site.write(
            "include:\n"
            f"  - remote: https://127.0.0.1:{inner.port}/a.yml\n"
            f"  - remote: https://localhost:{inner.port}/a.yml\n"
            f"  - remote: https://[::ffff:127.0.0.1]:{inner.port}/a.yml\n"
            f"  - remote: https://169.254.169.254/a.yml\n"
            f"  - remote: {inner.url('/a.yml')}\n" + JOB
        )
        found = site.run("list", "--json")
        assert found.status == 3
        reasons = [missing["reason"] for missing in found.missing]
        assert ["private network" in reason for reason in reasons] == [True] * 4 + [False]
        assert "is not encrypted" in reasons[4]
        assert inner.asked == []
        site.settings = f'[hosts."127.0.0.1:{inner.port}"]\n'
        site.write(f"include: {inner.url('/a.yml')}\n")
        assert site.run("list", "--json").jobs == ["a"]


def test_rewrite_to_servers_and_folders(site: Site, tmp_path: Path) -> None:
    site.projects.commit("mirror/group/tools", {"a.yml": "mirrored: {script: echo}\n"})
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    git("init", "-q", "-b", "main", cwd=checkout)
    (checkout / "a.yml").write_text("old: {script: echo}\n")
    git("add", "-A", cwd=checkout)
    git("commit", "-qm", "c", cwd=checkout)
    git("tag", "v1", cwd=checkout)
    git("commit", "-q", "--allow-empty", "-m", "c", cwd=checkout)
    (checkout / "a.yml").write_text("edited: {script: echo}\n")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "r.yml").write_text("remote: {script: echo}\n")
    (folder / "T.gitlab-ci.yml").write_text("template: {script: echo}\n")
    site.settings = f"""
[rewrite]
"{site.host}/group/tools" = "https://{site.host}/mirror/group/tools"
"{site.host}/group/mine" = "{checkout}"
"https://files.invalid/ci" = "{folder}"
"template" = "{folder}"
"""
    site.write(
        "include:\n"
        "  - {project: group/tools, file: a.yml}\n"
        "  - {project: group/mine, file: a.yml, ref: main}\n"
        "  - {project: group/mine, file: a.yml, ref: v1}\n"
        "  - https://files.invalid/ci/r.yml\n"
        "  - template: T.gitlab-ci.yml\n"
    )
    found = site.run("list", "--json")
    assert found.jobs == ["edited", "mirrored", "old", "remote", "template"], found.stderr
    site.write("include: https://files.invalid/ci/../../app/.gitlab-ci.yml\n" + JOB)
    assert site.run("list", "--json").status == 3


def test_lock_offline_and_update(site: Site) -> None:
    first = site.projects.commit("group/tools", {"a.yml": "include: b.yml\na: {script: echo}\n",
                                                 "b.yml": "b: {script: echo}\n"})  # fmt: skip
    site.files = {"/r.yml": Answer(body=b"r: {script: echo}\n")}
    site.write(
        f"include:\n  - {{project: group/tools, file: a.yml, ref: main}}\n"
        f"  - https://{site.host}/r.yml\n"
    )
    lock = site.repository / "homeport.lock"
    assert site.run("list").status == 0
    assert not lock.exists()
    assert site.run("update", "--check").status == 1
    assert not lock.exists()
    assert site.run("update").status == 0
    written = lock.read_text()
    assert first in written
    assert [line for line in written.splitlines() if line.startswith("file")] == [
        'file = "a.yml"',
        'file = "b.yml"',
    ]
    assert site.run("update", "--check").status == 0

    second = site.projects.commit("group/tools", {"b.yml": "c: {script: echo}\n"})
    site.asked()
    assert site.run("list", "--json").jobs == ["a", "b", "r"]
    assert site.asked() == 0, "all that is locked is in the cache"
    changed = site.run("update")
    assert f"~ project {site.host}/group/tools:b.yml at main {first[:12]} -> {second[:12]}" in (
        changed.stdout
    )
    assert site.run("list", "--json", "--offline").jobs == ["a", "c", "r"]

    site.files = {"/r.yml": Answer(body=b"evil: {script: echo}\n")}
    site.env = {"XDG_CACHE_HOME": str(site.folder / "empty")}
    refused = site.run("list")
    assert refused.status == 2
    assert "r.yml is not what homeport.lock says" in refused.stderr
    site.asked()
    site.env = {"XDG_CACHE_HOME": str(site.folder / "another")}
    offline = site.run("list", "--json", "--offline")
    assert offline.status == 3, offline.stderr
    assert [missing["kind"] for missing in offline.missing] == ["project", "remote"]
    assert site.asked() == 0

    lock.write_text(written.replace("sha256", "sha512"))
    broken = site.run("list")
    assert broken.status == 2
    assert "homeport.lock cannot be used" in broken.stderr


def test_job_names_are_completed_without_a_network(site: Site) -> None:
    site.write("include: {project: group/tools, file: a.yml}\n" + JOB)
    named = site.run("list", "--names")
    assert (named.stdout, site.asked()) == ("job\n", 0)


def test_a_stale_copy_is_used_with_a_note(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"})
    site.write("include: {project: group/tools, file: a.yml}\n" + JOB)
    assert site.run("list", "--json").jobs == ["a", "job"]
    index = site.home / ".cache/homeport/includes/index"
    for path in index.rglob("*"):
        if path.is_file():
            entry = json.loads(path.read_text())
            path.write_text(json.dumps({**entry, "at": entry["at"] - 7200}))
    (site.projects.root / "group/tools.git").rename(site.folder / "gone.git")
    stale = site.run("list", "--json")
    assert stale.jobs == ["a", "job"]
    assert "group/tools at HEAD is as it was 2 hours ago" in stale.stderr


def test_a_dead_host_costs_one_wait(site: Site) -> None:
    with talking() as hole:
        site.settings = "fetch_timeout = 2\nconnect_timeout = 1\n"
        site.write("")
        git("remote", "set-url", "origin", f"https://127.0.0.1:{hole.port}/group/app.git",
            cwd=site.repository)  # fmt: skip
        entries = [f"{{project: group/p{n}, file: a.yml}}" for n in range(30)]
        entries += [f"{{component: 127.0.0.1:{hole.port}/g/c{n}/x@1}}" for n in range(10)]
        entries += [f"'https://127.0.0.1:{hole.port}/{n}.yml'" for n in range(10)]
        site.write(f"include: [{', '.join(entries)}]\n" + JOB)
        found = site.run("list", "--json")
        assert found.status == 3
        assert len(found.missing) == 50
        assert all("within 2 seconds" in missing["reason"] for missing in found.missing)
        assert found.missing[0]["project"] == "group/p0"
        assert found.missing[0]["span"].startswith(".gitlab-ci.yml:1:")
        assert found.seconds < 10


def test_spec_include_from_a_project(site: Site) -> None:
    site.projects.commit("group/tools", {"in.yml": "inputs: {who: {default: me}}\n"})
    site.write(
        "spec: {include: [{project: group/tools, file: in.yml}, own.yml]}\n---\n"
        "'$[[ inputs.who ]] $[[ inputs.own ]]': {script: echo}\n",
        own="inputs: {own: {default: too}}\n",
    )
    assert site.run("list", "--json").jobs == ["me too"]


def test_the_cache_is_private(site: Site) -> None:
    site.files = {"/r.yml": Answer(body=JOB.encode())}
    site.write(f"include: https://{site.host}/r.yml\n")
    assert site.run("list", "--json").jobs == ["job"]
    cache = site.home / ".cache/homeport/includes"
    assert cache.stat().st_mode & 0o777 == 0o700
    kept = list(cache.rglob("*"))
    assert kept
    assert [path for path in kept if path.stat().st_mode & 0o077] == []
    assert not (site.repository / "homeport.lock").exists()


def test_project_over_ssh(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"})
    log, ssh = site.folder / "ssh.log", site.folder / "ssh"
    ssh.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\nfor last; do :; done\ncd {site.projects.root}\n'
        'exec sh -c "$last"\n'
    )
    ssh.chmod(0o755)
    site.write("include: {project: group/tools, file: a.yml}\n")
    git("remote", "set-url", "origin", "git@gitlab.test:group/app.git", cwd=site.repository)
    site.env = {"GIT_SSH_COMMAND": str(ssh), "GIT_SSH_VARIANT": "ssh"}
    assert site.run("list", "--json").jobs == ["a"]
    assert "git@gitlab.test" in log.read_text()
    site.settings = "fetch_timeout = 3\n"
    site.env |= {"XDG_CACHE_HOME": str(site.folder / "empty")}
    ssh.write_text(
        "#!/bin/sh\necho 'git@gitlab.test: Permission denied (publickey).' >&2\nexit 255\n"
    )
    (missing,) = site.run("list", "--json").missing
    assert missing["reason"].endswith("Permission denied (publickey).")


def test_nothing_of_a_repository_chooses_how_git_fetches(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"})
    site.write("include: {project: group/tools, file: a.yml}\n" + JOB)
    trap = site.folder / "trap"
    for key, value in {
        "core.sshCommand": f"touch {trap}; ssh",
        "credential.helper": f"!touch {trap}; true",
        "remote.origin.uploadpack": f"touch {trap}; git-upload-pack",
        "core.fsmonitor": f"touch {trap}",
        "core.askPass": f"touch {trap}",
        "http.proxy": "http://127.0.0.1:1",
    }.items():
        git("config", key, value, cwd=site.repository)
    assert site.run("list", "--json").jobs == ["a", "job"]
    assert not trap.exists()
    git("remote", "set-url", "origin", f"ext::touch {trap}", cwd=site.repository)
    site.env = {"XDG_CACHE_HOME": str(site.folder / "empty")}
    assert site.run("list", "--json").status == 3
    assert not trap.exists()


def test_many_includes_are_fetched_at_once(site: Site) -> None:
    files = {f"/{n}.yml": Answer(body=f"j{n}: {{script: echo}}".encode()) for n in range(8)}
    site.files = files
    answer = site.__call__

    def slowly(asked: Asked) -> Answer:
        time.sleep(0.4)
        return answer(asked)

    with serving(slowly, certificate=site.authority.certificate) as slow:
        site.settings = f'[hosts."127.0.0.1:{slow.port}"]\n'
        site.write("include: [" + ", ".join(f"'{slow.url(path)}'" for path in files) + "]\n" + JOB)
        found = site.run("list", "--json")
        assert found.jobs == sorted(["job", *(f"j{n}" for n in range(8))])
        assert found.seconds < 8 * 0.4


def test_a_component_of_another_host_is_not_read(site: Site) -> None:
    site.write("include: {component: gitlab.other/group/parts/one@1.0.0}\n" + JOB)
    (missing,) = site.run("list", "--json").missing
    assert missing["reason"].startswith(
        "Component 'gitlab.other/group/parts/one@1.0.0' - the component path is not supported"
    )


def test_rules_of_a_project_look_into_that_project(site: Site) -> None:
    site.projects.commit(
        "group/tools",
        {
            "a.yml": "include:\n"
            "  - {local: there.yml, rules: [{exists: [there.yml]}]}\n"
            "  - {local: gone.yml, rules: [{exists: [own.yml]}]}\n"
            "  - {local: var.yml, rules: [{if: $CI_COMMIT_BRANCH}]}\n",
            "there.yml": "there: {script: echo}\n",
            "var.yml": "var: {script: echo}\n",
        },
    )
    site.files = {
        "/r.yml": Answer(
            body=f"include: [{{remote: 'https://{site.host}/x.yml', rules: "
            "[{if: $CI_COMMIT_BRANCH}]}]\nr: {script: echo}\n".encode()
        )
    }
    site.write(
        f"include: [{{project: group/tools, file: a.yml}}, 'https://{site.host}/r.yml']\n",
        own="own: {script: echo}\n",
    )
    assert site.run("list", "--json").jobs == ["r", "there", "var"]


def test_lock_adds_and_prune_drops(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"}, tag="v1")
    lock = site.repository / "homeport.lock"
    site.write("include: {project: group/tools, file: a.yml, ref: v1}\n" + JOB)
    assert site.run("list", "--lock").status == 0
    assert 'ref = "v1"' in lock.read_text()
    site.write("include: {project: group/tools, file: a.yml, ref: main}\n" + JOB)
    assert site.run("lint", "--lock").status == 0
    assert lock.read_text().count("[[include]]") == 2
    pruned = site.run("update", "--prune")
    assert pruned.stdout.startswith(f"- project {site.host}/group/tools:a.yml at v1 ")
    assert lock.read_text().count("[[include]]") == 1
    site.write(JOB)
    assert site.run("update", "--check").status == 0
    assert site.run("update", "--offline").status == 2


def test_nothing_is_locked_when_an_include_is_not_read(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"})
    site.write("include: [{project: group/tools, file: a.yml}, 'http://h.invalid/x.yml']\n" + JOB)
    for command in (("update",), ("list", "--lock")):
        found = site.run(*command)
        assert found.status == 3
        assert "http://h.invalid/x.yml" in found.stderr
        assert not (site.repository / "homeport.lock").exists()


def test_a_server_that_is_not_trusted(site: Site) -> None:
    site.projects.commit("group/tools", {"a.yml": "a: {script: echo}\n"})
    site.write(
        f"include: [{{project: group/tools, file: a.yml}}, 'https://{site.host}/r.yml']\n" + JOB
    )
    site.env = {"SSL_CERT_FILE": ""}
    reasons = [missing["reason"] for missing in site.run("list", "--json").missing]
    assert len(reasons) == 2
    assert all("certificate" in reason or "not trusted" in reason for reason in reasons)
