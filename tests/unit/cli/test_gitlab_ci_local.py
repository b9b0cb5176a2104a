"""The command line, the files and the refusals of `homeport gitlab-ci-local`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.cli.gitlab_ci_local_comments import read_comments
from homeport.cli.gitlab_ci_local_console import ECHO_END, ECHO_START
from homeport.cli.gitlab_ci_local_options import OPTIONS, collect, in_argparse_order
from homeport.cli.gitlab_ci_local_request import _REFUSED, _WITHOUT_EFFECT, Translation
from homeport.cli.main import main
from homeport.errors import UsageError
from homeport.pipeline.execute.script import script_text
from homeport.pipeline.execute.to_source import copy_to_source
from homeport.settings.model import ContainerSettings

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the current folder, and a home folder beside it."""
    root = tmp_path / "app"
    root.mkdir()
    (tmp_path / "home").mkdir()
    for key in [*os.environ]:
        if key.startswith(("GCL_", "HOMEPORT_", "XDG_")):
            monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(root)
    write(root / ".gitlab-ci.yml", "job: {script: echo hello}\n")
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://gl.example/team/app.git"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    return root


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def gcl(*args: str) -> int:
    return main(["gitlab-ci-local", *args])


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (["--list"], ["--list", "--"]),
        (["--listJson"], ["--list-json", "--"]),
        (["--no-listJson"], ["--no-list-json", "--"]),
        (["--needs=false", "a"], ["--no-needs", "--", "a"]),
        (["--needs", "false", "a"], ["--no-needs", "--", "a"]),
        (["--no-needs=false"], ["--needs", "--"]),
        (["--needs", "a", "--quiet", "b"], ["--needs", "--quiet", "--", "a", "b"]),
        (["--variable", "A=1", "B=2"], ["--variable=A=1", "--", "B=2"]),
        (["--max-job-name-padding", "-1"], ["--max-job-name-padding=-1", "--"]),
        (["--variable", "--list"], ["--variable=--list", "--"]),
        (["--", "--list"], ["--", "--list"]),
    ],
)
def test_options_are_written_as_for_yargs(given: list[str], taken: list[str]) -> None:
    assert in_argparse_order(given) == taken


def test_the_environment_is_below_the_command_line() -> None:
    env = {
        "GCL_FILE": "env.yml",
        "GCL_CWD": "sub",
        "GCL_NEEDS": "true",
        "GCL_MANUAL": "a;b",
        "GCL_VARIABLE": "A=1;B=1",
        "GCL_VARIABLE_C": "x=y",
        "GCL_NONSENSE": "1",
    }
    options = collect({"job": ["j"], "file": "own.yml", "variable": ["A=2"]}, env)
    assert options.jobs == ("j",)
    assert options.text("file") == "own.yml"
    assert options.text("cwd") == "sub"
    assert options.switch("needs")
    assert options.list("manual") == ("a", "b")
    assert options.list("variable")[-1] == "A=2"
    assert set(options.list("variable")) == {"A=1", "B=1", "C=x=y", "A=2"}
    assert not options.has("list")


def test_a_switch_is_true_or_false() -> None:
    options = collect({}, {"GCL_NEEDS": "maybe"})
    with pytest.raises(UsageError, match="GCL_NEEDS is maybe"):
        options.switch("needs")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", sorted(_REFUSED))
def test_what_cannot_be_done_is_refused_before_anything_runs(name: str, capsys: Capture) -> None:
    args = [f"--{name}"] if OPTIONS[name][0] == "switch" else [f"--{name}", "value"]
    assert gcl(*args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"--{name} is not understood" in err
    assert len(err.splitlines()) == 2
    assert gcl("--list", *args) == 0


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", sorted(_WITHOUT_EFFECT))
def test_what_has_no_effect_is_said_once(name: str, capsys: Capture) -> None:
    args = [f"--{name}"] if OPTIONS[name][0] == "switch" else [f"--{name}", "value"]
    args = ["--no-cleanup"] if name == "cleanup" else args
    assert gcl("--quiet", *args) == 0
    assert capsys.readouterr().err.count(f"--{name} has no effect") == 1


def test_every_option_that_is_not_named_refused_or_without_effect_has_help() -> None:
    for name, (_, text) in OPTIONS.items():
        assert (text == "refused") == (name in _REFUSED)
        assert text.startswith("no effect") == (name in _WITHOUT_EFFECT)


@pytest.mark.usefixtures("root")
def test_containers_are_removed_whatever_is_said(capsys: Capture) -> None:
    assert gcl("--quiet", "--cleanup") == 0
    assert capsys.readouterr().err == ""


def test_options_of_containers_are_settings(root: Path) -> None:
    write(root / ".gitlab-ci-local-env", "SHM_SIZE=64m\nULIMIT=2048\n")
    options = collect(
        {
            "network": ["corp", "bridge"],
            "extra_host": ["db:10.0.0.1"],
            "userns": "host",
            "gpus": '"device=0,1"',
            "ca_file": "ca.pem",
            "container_mac_address": "02:42:ac:11:00:02",
            "container_emulate": "saas-linux-medium",
        },
        {},
    )
    assert Translation(options, {}).request(for_run=True).settings.container == ContainerSettings(
        networks=("corp", "bridge"),
        extra_hosts=("db:10.0.0.1",),
        userns="host",
        gpus="device=0,1",
        ca_file=str(Path.cwd() / "ca.pem"),
        mac_address="02:42:ac:11:00:02",
        cpus=4.0,
        memory=16 * 1024**3,
        shm_size=64 * 1024**2,
        ulimits=("nofile=2048",),
    )


@pytest.mark.usefixtures("root")
def test_an_unknown_runner_is_not_emulated(capsys: Capture) -> None:
    assert gcl("--container-emulate=saas-linux-huge") == 2
    assert "--container-emulate is saas-linux-huge" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    ["PRIVILEGED=true", "VOLUME=/:/host", "DEVICE=/dev/sda", "HOME=/", "NETWORK=host", "GPUS=all"],
)
def test_the_repository_cannot_open_the_machine(line: str, root: Path, capsys: Capture) -> None:
    write(root / ".gitlab-ci-local-env", f"{line}\n")
    name = line.partition("=")[0].lower()
    assert gcl() == 2
    assert f".gitlab-ci-local-env may not set {name}" in capsys.readouterr().err
    assert gcl("--list") == 0


def test_a_file_does_not_say_where_the_files_are(root: Path, capsys: Capture) -> None:
    write(root / ".gitlab-ci-local-env", "CWD=sub\n")
    assert gcl("--list") == 2
    assert "GCL_CWD" in capsys.readouterr().err


def test_the_user_may_open_the_machine(root: Path, tmp_path: Path, capsys: Capture) -> None:
    write(root / ".gitlab-ci-local-env", "PRIVILEGED=true\n")
    write(tmp_path / "home/.gitlab-ci-local/.env", "PRIVILEGED=true\n")
    assert gcl() == 0
    assert "job > hello\n" in capsys.readouterr().out


def test_the_repository_names_no_file_outside(root: Path, tmp_path: Path, capsys: Capture) -> None:
    write(tmp_path / "secret", "A=1\n")
    write(root / ".gitlab-ci-local-env", "VARIABLES_FILE=../secret\n")
    assert gcl("--list") == 2
    assert "variables-file names a file outside" in capsys.readouterr().err
    assert gcl("--list", "--variables-file", "../secret") == 0


def test_a_file_of_the_repository_that_is_a_link_is_not_read(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "own", "LIST_CSV=true\n")
    (root / ".gitlab-ci-local-env").symlink_to(tmp_path / "own")
    options = collect({}, {})
    from homeport.cli.gitlab_ci_local_options import add_files

    add_files(options, str(root), None)
    assert not options.has("list-csv")


def test_unknown_names_are_wrong_or_said(root: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        gcl("--lst=x")
    assert stop.value.code == 2
    assert "--lst is no option of gitlab-ci-local; did you mean --list" in capsys.readouterr().err
    write(root / ".gitlab-ci-local-env", "NONSENSE=1\n")
    assert gcl() == 0
    assert ".gitlab-ci-local-env: NONSENSE is no option" in capsys.readouterr().err


def test_a_folder_below_the_root(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    write(root / "own/.gitlab-ci.yml", "own: {script: echo own}\n")
    (root / "bare").mkdir()
    assert gcl("--list-csv", "--cwd", "own") == 0
    assert "own;test" in capsys.readouterr().out
    monkeypatch.chdir(root / "bare")
    assert gcl("--list-csv") == 0
    assert "job;test" in capsys.readouterr().out
    assert gcl("--list-csv", "--cwd", "/") == 2


def test_names_of_parallel_jobs_are_understood(root: Path, capsys: Capture) -> None:
    write(
        root / ".gitlab-ci.yml",
        "p: {parallel: 2, script: echo $CI_NODE_INDEX}\n"
        "m: {parallel: {matrix: [{X: [a, b], Y: [c]}]}, script: echo $X$Y}\n",
    )
    assert gcl("p: [2/2]", "m: [b,c]") == 0
    out = capsys.readouterr().out
    assert "p 2/2    > 2\n" in out
    assert "m: [b, c] > bc\n" in out
    assert "m: [a, c]" not in out


def test_changes_can_be_left_out(root: Path, capsys: Capture) -> None:
    write(
        root / ".gitlab-ci.yml",
        "job: {script: x, rules: [{changes: [none]}]}\nother: {script: x}\n",
    )
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], check=True)
    assert gcl("--list-csv") == 0
    assert "job;" not in capsys.readouterr().out
    assert gcl("--list-csv", "--no-evaluate-rule-changes") == 0
    assert "job;" in capsys.readouterr().out


def test_secrets_are_masked(root: Path, capsys: Capture) -> None:
    write(root / ".gitlab-ci.yml", "job: {script: 'echo \"$MY_TOKEN\"'}\n")
    assert gcl("--variable", "MY_TOKEN=hidden-value") == 0
    out, err = capsys.readouterr()
    assert "hidden-value" not in out + err
    assert "job > [MASKED]\n" in out


def test_artifacts_come_into_the_tree_unless_not_wanted(root: Path) -> None:
    write(
        root / ".gitlab-ci.yml",
        "a: {script: 'mkdir -p out; echo a > out/a', artifacts: {paths: [out]}}\n"
        "# @NoArtifactsToSource\n"
        "b: {script: echo b > b, artifacts: {paths: [b]}}\n",
    )
    assert gcl("--no-artifacts-to-source") == 0
    assert not (root / "out").exists()
    assert gcl() == 0
    assert (root / "out/a").read_text() == "a\n"
    assert not (root / "b").exists()


def test_artifacts_do_not_leave_the_tree(tmp_path: Path) -> None:
    tree, root, outside = (tmp_path / name for name in ("tree", "root", "outside"))
    for folder in (tree, root, outside):
        folder.mkdir()
    write(tree / "link/file", "bad")
    write(tree / ".git/hooks/pre-commit", "bad")
    write(tree / "sub/.GIT/config", "bad")
    write(tree / "sub/fine", "fine")
    write(tree / "taken", "bad")
    write(tree / "pointer", "new")
    write(outside / "kept", "old")
    (root / "link").symlink_to(outside)
    (root / "taken").mkdir()
    (root / "pointer").symlink_to(outside / "kept")
    copied = copy_to_source("job", tree, root, frozenset())
    assert sorted(copied.refused) == [".git", "link", "sub/.GIT", "taken"]
    assert copied.count == 2
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert (outside / "kept").read_text() == "old"
    assert (root / "pointer").read_text() == "new"
    assert (root / "sub/fine").read_text() == "fine"
    assert not (root / ".git").exists()


def test_inputs_for_one_component_or_for_all(root: Path, capsys: Capture) -> None:
    write(
        root / ".gitlab-ci.yml",
        "spec: {inputs: {who: {default: nobody}, list: {type: array, default: []}}}\n---\n"
        "job:\n  script: echo $[[ inputs.who ]]\n  tags: $[[ inputs.list ]]\n",
    )
    write(root / ".gitlab-ci-local-inputs.yml", "_global: {who: all}\npart: {who: part}\n")
    assert gcl("--preview", "--input", 'list=["one", "two"]') == 0
    out = capsys.readouterr().out
    assert "echo all" in out
    assert "- one\n  - two\n" in out
    assert gcl("--preview", "--input", "nonsense") == 2


def test_comments_above_a_job() -> None:
    text = (
        "# @Description Builds\n# more\nbuild:\n  script: x\n"
        '# @InjectSSHAgent\n# @ NoArtifactsToSource\n"quoted: job":\n  script: x\n'
        "plain:\n"
        "# @Description Tests: all\n\ntest:unit:\n  script: x\n"
        "# @Description Hostile\na" + " " * 100_000 + "\n"
    )
    comments = read_comments([text])
    assert comments.descriptions == {"build": "Builds", "test:unit": "Tests: all"}
    assert comments.kept == {"quoted: job"}
    assert comments.ignored == (("InjectSSHAgent", "quoted: job"),)


def test_lines_of_a_script_are_known_by_what_the_script_echoes() -> None:
    text = script_text(["echo hello"], colour=True)
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == f"{ECHO_START}echo hello{ECHO_END}"


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_is_for_the_name_of_the_alias(shell: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "homeport", "gitlab-ci-local", "--completion"],
        capture_output=True,
        text=True,
        check=True,
        env={"SHELL": f"/bin/{shell}", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
    )
    assert "--list-csv-all" in done.stdout
    assert ("#compdef gitlab-ci-local" in done.stdout) == (shell == "zsh")
    if shell == "bash":
        assert "_homeport_jobs()" in done.stdout
        assert done.stdout.rstrip().endswith(" gitlab-ci-local")
        subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=True)


def test_version_and_help(capsys: Capture) -> None:
    assert gcl("--version") == 0
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(SystemExit) as stop:
        gcl("--help")
    assert stop.value.code == 0
    assert "--list-csv-all" in capsys.readouterr().out


def test_containers_get_what_the_user_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GCL_PRIVILEGED", "true")
    monkeypatch.setenv("GCL_VOLUME", "/a:/b;/c:/d:ro")
    given = {"wait_for_services_timeout": "7", "pull_policy": "always", "concurrency": "3"}
    translation = Translation(collect(given, os.environ), os.environ)
    settings = translation.request(for_run=True).settings
    assert settings.container.privileged
    assert settings.container.volumes == ("/a:/b", "/c:/d:ro")
    assert settings.container.services_timeout == 7
    assert [policy.value for policy in settings.pull_policy] == ["always"]
    assert settings.concurrency == 3
    assert settings.default_image is None
    # A list asks for nothing that only a run has.
    assert not translation.request().settings.container.privileged
    assert translation.root == root


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("given", "executor", "image"),
    [
        ({}, "auto", None),
        ({"default_image": "a"}, "auto", None),
        ({"shell_executor_no_image": "false"}, "auto", "docker.io/ruby:3.1"),
        ({"shell_executor_no_image": "false", "default_image": "a"}, "auto", "a"),
        ({"force_shell_executor": "true", "shell_executor_no_image": "false"}, "shell", None),
    ],
)
def test_where_jobs_run(given: dict[str, str], executor: str, image: str | None) -> None:
    settings = Translation(collect(given, {}), os.environ).request(for_run=True).settings
    assert (settings.executor.value, settings.default_image) == (executor, image)


@pytest.mark.usefixtures("root")
def test_podman_is_its_socket(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}
    options = collect({"container_executable": "podman"}, {})
    assert Translation(options, env).request(for_run=True).settings.engine == (
        "unix:///run/podman/podman.sock"
    )
    write(tmp_path / "podman/podman.sock", "")
    own = f"unix://{tmp_path}/podman/podman.sock"
    assert Translation(options, env).request(for_run=True).settings.engine == own
    other = Translation(collect({"container_executable": "nerdctl"}, {}), env)
    with pytest.raises(UsageError, match="nerdctl"):
        other.request(for_run=True)


def test_a_child_that_fails_is_loud(root: Path, capsys: Capture) -> None:
    write(root / "child.yml", "inner: {script: exit 1}\n")
    write(root / ".gitlab-ci.yml", "outer: {trigger: {include: child.yml}}\n")
    assert gcl() == 0
    out = capsys.readouterr().out
    assert "its pipeline failed, which this job does not wait for" in out
    assert " FAIL  outer:inner" in out


def test_a_pipeline_that_is_blocked_is_no_failure(root: Path, capsys: Capture) -> None:
    write(
        root / ".gitlab-ci.yml",
        "a: {stage: build, when: manual, allow_failure: false, script: echo a}\n"
        "b: {script: echo b}\n",
    )
    assert gcl() == 0
    assert "> b" not in capsys.readouterr().out
    assert gcl("--manual", "a") == 0
    assert "b > b\n" in capsys.readouterr().out


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("args", [["nothing"], ["--stage", "none"], ["job", "--stage", "test"]])
def test_what_is_not_there_cannot_run(args: list[str]) -> None:
    assert main(["gitlab-ci-local", *args]) == 2


def test_a_job_that_is_named_runs_whatever_the_rules_say(root: Path, capsys: Capture) -> None:
    write(
        root / ".gitlab-ci.yml",
        "workflow: {rules: [{if: $NOPE}]}\n"
        "a: {stage: build, script: 'echo a > x', artifacts: {paths: [x]}}\n"
        "b: {stage: deploy, needs: [a], script: cat x, only: [tags]}\n"
        "c: {script: echo c, parallel: 2, rules: [{if: $NOPE}]}\n",
    )
    assert gcl("b", "--needs") == 0
    out, err = capsys.readouterr()
    assert "b > a\n" in out
    assert "\nc " not in out
    assert "there is no such pipeline" in err
    assert "b is not in this pipeline" in err
    assert gcl("c: [2/2]") == 0
    assert "c 2/2    > c\n" in capsys.readouterr().out
    assert gcl() == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "workflow" in err


UNSET = """\
variables: {A: file, B: file}
job:
  variables: {C: job}
  rules:
    - if: $A
      when: never
    - if: $CI_COMMIT_BRANCH
      when: never
    - when: always
  script: ['echo "${A-no}-${C-no}-${D-no}-${CI_COMMIT_BRANCH-no}-$B"']
"""


def test_an_unset_variable_is_in_no_job_whoever_sets_it(root: Path, capsys: Capture) -> None:
    write(root / ".gitlab-ci.yml", UNSET)
    unset = ["A", "C", "D", "CI_COMMIT_BRANCH"]
    given = [f"--unset-variable={name}" for name in unset]
    assert gcl("--variable=D=given", *given) == 0
    assert "no-no-no-no-file" in capsys.readouterr().out


REMOTE = """\
global: {A: everywhere, P: /etc/passwd}
group: {gl.example/team: {B: group}}
project: {gl.example/team/app.git: {C: project}, gl.example/other/app.git: {C: other}}
"""


def test_remote_variables_are_read_with_git_and_lie_below_ones_own(
    root: Path, capsys: Capture, tmp_path: Path
) -> None:
    there = tmp_path / "shared"
    there.mkdir()
    write(there / "ci/variables.yml", REMOTE)
    git = ("git", "-C", str(there), "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "init", "-q", "-b", "trunk"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    write(tmp_path / "home/.gitlab-ci-local/variables.yml", "global: {A: mine}\n")
    write(root / ".gitlab-ci.yml", 'job: {script: echo "$A-$B-$C-$P"}\n')
    assert gcl(f"--remote-variables=file://{there}=ci/variables.yml=trunk") == 0
    assert "mine-group-project-/etc/passwd" in capsys.readouterr().out
    for wrong in ("nowhere.yml=trunk", "ci/variables.yml=no"):
        assert gcl(f"--remote-variables=file://{there}={wrong}") == 3
        assert (
            f"--remote-variables: {wrong.partition('=')[0]} was not read" in capsys.readouterr().err
        )
    assert gcl("--remote-variables=file:///nowhere") == 2
    assert "URL=FILE=REF" in capsys.readouterr().err


def test_a_comment_that_asks_for_the_agent_is_no_news_where_jobs_have_it(
    root: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / ".gitlab-ci.yml", "# @InjectSSHAgent\njob: {script: echo hello}\n")
    assert gcl() == 0
    assert "@InjectSSHAgent of job has no effect" in capsys.readouterr().err
    monkeypatch.setenv("HOMEPORT_CONTAINER_SSH_AGENT", "true")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(root / ".gitlab-ci.yml"))  # something that is there
    assert gcl() == 0
    assert "InjectSSHAgent" not in capsys.readouterr().err
