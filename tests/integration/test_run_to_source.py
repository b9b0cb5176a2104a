"""What a run brings back to the user, and gives to jobs, only when it is asked to."""

import socket
from pathlib import Path

from testbed.runs import Repository

TEXT = """\
a:
  script:
    - mkdir -p out; echo made > out/new; chmod 755 out/new
    - echo by-job > tracked; echo by-job > edited; cp same copy; echo by-job > ignored
  artifacts: {paths: [out, tracked, edited, same, ignored]}
b:
  needs: [a]
  script: ["echo second > out/new"]
  artifacts: {paths: [out]}
failing:
  script: ["exit 1"]
  artifacts: {paths: [out]}
"""


def project(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "project", TEXT, tmp_path / "home")
    for name in ("tracked", "edited", "same"):
        (made.root / name).write_text("committed\n")
    (made.root / ".gitignore").write_text("ignored\n")
    made.commit()
    (made.root / "edited").write_text("mine\n")
    (made.root / "same").write_text("mine\n")
    (made.root / "ignored").write_text("old\n")
    return made


def test_artifacts_come_into_the_working_tree_on_request(tmp_path: Path) -> None:
    made = project(tmp_path)
    assert made.run("a", "b").status == 0
    assert not (made.root / "out").exists()
    done = made.run("--artifacts-to-source")
    assert done.status == 1
    content = {
        name: (made.root / name).read_text()
        for name in ("out/new", "tracked", "edited", "same", "ignored")
    }
    assert content == {
        "out/new": "second\n",
        "tracked": "by-job\n",
        "edited": "mine\n",
        "same": "mine\n",
        "ignored": "by-job\n",
    }
    assert (made.root / "out/new").stat().st_mode & 0o777 != 0o600
    assert "3 artifacts of a copied to the working tree" in done.stderr
    assert "1 artifact of b copied to the working tree" in done.stderr
    assert "the artifact edited of a was not copied to the working tree: you have" in done.stderr
    assert "artifact same" not in done.stderr


def test_the_shell_has_the_ssh_agent_on_request(tmp_path: Path) -> None:
    text = "job: {script: ['echo \"agent ${SSH_AUTH_SOCK-none}\"']}\n"
    made = Repository(tmp_path / "project", text, tmp_path / "home")
    path = tmp_path / "agent"
    env = {"SSH_AUTH_SOCK": str(path)}
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(path))
        assert "agent none" in made.run(env=env).log("job")
        assert f"agent {path}" in made.run("--ssh-agent", env=env).log("job")
    missing = made.run("--ssh-agent")
    assert missing.status == 3
    assert "SSH_AUTH_SOCK is not set" in missing.stderr
