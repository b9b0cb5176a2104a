"""The completion script in a real, interactive bash, key by key."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

CI = """\
matrix:
  parallel:
    matrix:
      - OS: [linux]
        ARCH: [amd64, arm]
  script: x
"it's $odd": {script: x}
"ünï code": {script: x}
"a:b:c": {script: x}
build: {script: x}
tagged: {script: x, only: [tags]}
"""
OTHER = "elsewhere: {script: x}\n"
# `show` prints the words that a completed line has become.
SETUP = """\
PS1=; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'
eval "$(homeport completion bash)"
show() { printf '<%s>' "$@"; echo; }
complete -o bashdefault -o default -F _homeport show
echo rea''dy
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("completion")
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    (root / ".gitlab-ci.yml").write_text(CI)
    (root / "ci").mkdir()
    (root / "ci" / "other.yml").write_text(OTHER)
    return root


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("ru\tbuil\t", "<run><build>"),
        ("run matrix:\\ \\[linux\\,\\ am\t", "<run><matrix: [linux, amd64]>"),
        ("run mat\tm\t", "<run><matrix: [linux, amd64]>"),
        ("run 'matrix: [linux, am\t", "<run><matrix: [linux, amd64]>"),
        ('explain "matrix: [linux, am\t', "<explain><matrix: [linux, amd64]>"),
        ("explain mat\tm\t", "<explain><matrix: [linux, amd64]>"),
        ("run it\t", "<run><it's $odd>"),
        ("run 'it\t", "<run><it's $odd>"),
        ('run "it\t', "<run><it's $odd>"),
        ("explain tag\t", "<explain><tagged>"),
        ("run tag\t", "<run><tag>"),
        ("run ün\t", "<run><ünï code>"),
        ("run a:b\t", "<run><a:b:c>"),
        ("run build a\t", "<run><build><a:b:c>"),
        ("run --needs --exec\tsh\tbui\t", "<run><--needs><--executor><shell><build>"),
        ("list --as me\t", "<list><--as><merge-request>"),
        ("list -f ci/o\t", "<list><-f><ci/other.yml>"),
        ("run -f ci/other.yml els\t", "<run><-f><ci/other.yml><elsewhere>"),
        ("list -C c\t", "<list><-C><ci/>"),
        ("mirror se\t--chec\t", "<mirror><serve><--check>"),
        ("mirror user ad\tann --file ci/o\t", "<mirror><user><add><ann><--file><ci/other.yml>"),
        ("mirror check --data c\t", "<mirror><check><--data><ci/>"),
    ],
)
def test_a_line_is_completed(repository: Path, keys: str, words: str) -> None:
    with Bash(repository) as bash:
        bash.send(SETUP)
        bash.read_until("ready\r\n")
        bash.send(f"show {keys}")
        bash.send("\n")
        assert bash.read_until(">\r\n").splitlines()[-1] == words


class Bash:
    """A bash at a terminal."""

    def __init__(self, folder: Path) -> None:
        env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
            "COLUMNS": "400",
        }
        self._main, end = pty.openpty()
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            cwd=folder,
            env=env,
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)

    def __enter__(self) -> "Bash":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._main)

    def send(self, text: str) -> None:
        os.write(self._main, text.encode())

    def read_until(self, end: str, seconds: float = 30.0) -> str:
        text, limit = b"", time.monotonic() + seconds
        while not text.decode(errors="replace").endswith(end):
            assert select.select([self._main], [], [], limit - time.monotonic())[0], text
            text += os.read(self._main, 4096)
        return text.decode()
