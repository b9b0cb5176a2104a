"""Projects of others behind a real `git http-backend`, and on the same server GitLab's API."""

import os
import subprocess
from pathlib import Path

from testbed.web import Answer, Answering, Asked

IDENTITY = {
    "GIT_AUTHOR_NAME": "n",
    "GIT_AUTHOR_EMAIL": "e@x.org",
    "GIT_COMMITTER_NAME": "n",
    "GIT_COMMITTER_EMAIL": "e@x.org",
}


def git(*args: str, cwd: Path) -> str:
    done = subprocess.run(
        ["git", *args], cwd=cwd, check=True, capture_output=True, text=True, env=clean_env()
    )
    return done.stdout.strip()


def clean_env() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **IDENTITY}


class GitProjects:
    """Bare repositories below `root`, each with a working tree to commit from."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def commit(self, project: str, files: dict[str, str], *, tag: str | None = None) -> str:
        """Commit the files to the main branch (and tag it); the commit's SHA."""
        bare = self.root / f"{project}.git"
        tree = self.root / ".trees" / project
        if not bare.exists():
            bare.mkdir(parents=True)
            git("init", "-q", "--bare", "-b", "main", cwd=bare)
            git("config", "uploadpack.allowFilter", "true", cwd=bare)
            git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=bare)
            tree.mkdir(parents=True)
            git("init", "-q", "-b", "main", cwd=tree)
        for name, text in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        git("add", "-A", cwd=tree)
        git("commit", "-q", "--allow-empty", "-m", "c", cwd=tree)
        refs = ["main"]
        if tag is not None:
            git("tag", "-a", "-m", tag, tag, cwd=tree)
            refs.append(tag)
        git("push", "-q", str(bare), *refs, cwd=tree)
        return git("rev-parse", "HEAD", cwd=tree)


def git_backend(root: Path) -> Answering:
    """git-http-backend(1) for all repositories below `root`."""
    exec_path = git("--exec-path", cwd=root)

    def answer(asked: Asked) -> Answer:
        env = {
            **clean_env(),
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": asked.path,
            "QUERY_STRING": "&".join(f"{name}={value}" for name, value in asked.query.items()),
            "REQUEST_METHOD": asked.method,
            "CONTENT_TYPE": asked.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(asked.body)),
            "HTTP_CONTENT_ENCODING": asked.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": asked.headers.get("git-protocol", ""),
        }
        done = subprocess.run(
            [f"{exec_path}/git-http-backend"],
            input=asked.body,
            env=env,
            capture_output=True,
            check=False,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        lines = (line.partition(": ") for line in head.decode().split("\r\n"))
        headers = {name: value for name, _, value in lines}
        status = int(headers.pop("Status", "200 OK").split()[0])
        return Answer(status, body, headers)

    return answer
