"""What every executor must do, whatever kind of place it runs a job in."""

import threading
import time
from pathlib import Path

import pytest
from tests.contract.executor.conftest import OpenSession, Place

from homeport.pipeline.execute.api import Exit, JobSpec, Selection, Session, Snapshot, Stop
from homeport.pipeline.execute.objects import Objects
from homeport.pipeline.execute.script import script_text
from homeport.pipeline.execute.stored_tree import StoredTree, lay_over
from homeport.pipeline.model.event import FailureReason


def run(session: Session, *commands: str, stop: Stop | None = None) -> tuple[Exit, str]:
    """Run commands and give their output without the echoes."""
    out: list[bytes] = []
    script = script_text(["\n".join((":", *commands))])
    ended = session.run(script, out.append, stop or Stop())
    text = b"".join(out).decode()
    echo = "$ : # collapsed multi-line command\n"
    return ended, text.removeprefix(echo)


def output(session: Session, *commands: str) -> str:
    ended, text = run(session, *commands)
    assert ended == Exit(code=0), text
    return text


def test_the_workspace_holds_the_snapshot(open_session: OpenSession) -> None:
    session = open_session()
    assert output(session, "cat src/main.c", "./tool", "ls") == (
        "int main;\ntool ran\nlink\nsrc\ntool\nwith space\n"
    )
    assert output(session, "readlink link", "test ! -x src/main.c") == "src/main.c\n"


def test_scripts_start_in_the_project_folder(open_session: OpenSession, place: Place) -> None:
    session = open_session()
    expected = place.executor.project_dir(place.run, "job", 1, "group/name")
    assert session.project_dir == expected
    assert expected.endswith("/group/name")
    assert output(session, "pwd", "cd /") == f"{expected}\n"
    assert output(session, "pwd") == f"{expected}\n"


def test_artifacts_lie_over_the_snapshot_in_order(
    open_session: OpenSession, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        (folder / "src").mkdir(parents=True)
        (folder / "src/made").write_text(f"{folder.name}\n")
    (one / "src/main.c").write_text("replaced\n")
    (one / "only").symlink_to("src/made")
    session = open_session(one, two)
    assert output(session, "cat src/main.c src/made only") == "replaced\ntwo\ntwo\n"
    assert output(session, "readlink only") == "src/made\n"


def test_sources_may_come_after_a_script(place: Place, snapshot: Snapshot) -> None:
    """As with a hook that runs before the sources are got."""
    spec = JobSpec(
        run=place.run,
        job="hooked",
        attempt=1,
        env={},
        files={},
        project_path="group/name",
        image=place.image,
        sources=snapshot,
    )
    session = place.executor.open(spec, lambda _: None)
    try:
        session.put(Snapshot(root=snapshot.root, files=(), git=None, objects=None), ())
        assert output(session, "mkdir src; echo early > src/early") == ""
        session.put(snapshot, ())
        assert output(session, "cat src/main.c; ./tool") == "int main;\ntool ran\n"
    finally:
        session.close()


def test_artifacts_are_not_written_through_a_link(
    open_session: OpenSession, tmp_path: Path
) -> None:
    outside, one, two = tmp_path / "outside", tmp_path / "one", tmp_path / "two"
    for folder in (outside, one, two / "way"):
        folder.mkdir(parents=True)
    (one / "way").symlink_to(outside)
    (two / "way/file").write_text("escaped")
    session = open_session(one, two)
    assert output(session, "cat way/file") == "escaped"
    assert list(outside.iterdir()) == []


def test_the_environment_is_the_specs_and_not_the_hosts(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOMEPORT_CANARY", "AWS_SECRET_ACCESS_KEY", "MY_TOKEN", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "canary")
    odd = 'it\'s "$HOME"\n`x` \\ \u00e9'
    session = open_session(env={"PLAIN": "1", "ODD": odd, "EMPTY": ""})
    assert output(session, 'printf "%s|" "$PLAIN" "$ODD" "${EMPTY-unset}"') == f"1|{odd}||"
    assert "canary" not in output(session, "env")
    assert "CANARY" not in output(session, "env")


def test_file_variables_lie_beside_the_workspace(open_session: OpenSession, place: Place) -> None:
    folder = place.executor.project_dir(place.run, "job", 1, "group/name") + ".tmp"
    session = open_session(env={"CERT": f"{folder}/CERT"}, files={"CERT": "line 1\nline 2"})
    assert output(session, 'cat "$CERT"', "ls") == "line 1\nline 2link\nsrc\ntool\nwith space\n"


def test_standard_input_is_empty(open_session: OpenSession) -> None:
    assert output(open_session(), "cat", "echo after") == "after\n"


def test_all_output_arrives_in_order(open_session: OpenSession) -> None:
    session = open_session()
    loop = 'i=0; while [ $i -lt 20000 ]; do echo "line $i of some output"; i=$((i+1)); done'
    expected = "".join(f"line {number} of some output\n" for number in range(20000))
    assert output(session, loop) == expected
    assert output(session, "echo a; echo b >&2; printf c") == "a\nb\nc"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", Exit(code=0)),
        ("exit 3", Exit(code=3, failure=FailureReason.SCRIPT_FAILURE)),
        ("exit 255", Exit(code=255, failure=FailureReason.SCRIPT_FAILURE)),
        ("false", Exit(code=1, failure=FailureReason.SCRIPT_FAILURE)),
    ],
)
def test_exit_statuses(open_session: OpenSession, command: str, expected: Exit) -> None:
    assert run(open_session(), command)[0] == expected


def test_files_last_over_runs_and_exports_do_not(open_session: OpenSession) -> None:
    session = open_session()
    assert run(session, "export LOST=1", "echo kept > kept", "exit 1")[0].code == 1
    assert output(session, 'echo "${LOST-none}"', "cat kept") == "none\nkept\n"


def test_a_background_process_neither_holds_the_job_nor_outlives_it(
    open_session: OpenSession,
) -> None:
    session = open_session()
    start = time.monotonic()
    background = "(while :; do echo x >> growing; sleep 0.05; done) &"
    begun = "until [ -s growing ]; do sleep 0.05; done"
    assert output(session, background, begun, "echo done") == "done\n"
    assert time.monotonic() - start < 10
    size = output(session, "wc -c < growing")
    time.sleep(0.3)
    assert output(session, "wc -c < growing") == size


def stopped(session: Session, *commands: str) -> tuple[Exit, str, float]:
    """Run commands and ask to stop as soon as they have said `ready`."""
    stop = Stop()
    out: list[bytes] = []
    asked: list[float] = []

    def sink(data: bytes) -> None:
        out.append(data)
        if not asked and b"ready\n" in b"".join(out):
            asked.append(time.monotonic())
            threading.Thread(target=stop.request, args=("canceled",)).start()

    ended = session.run(script_text(list(commands)), sink, stop)
    return ended, b"".join(out).decode(), time.monotonic() - asked[0]


@pytest.mark.parametrize(
    "commands",
    [
        ("echo ready", "sleep 60"),
        ("echo ready; while :; do sleep 60; done",),
        ("trap '' TERM", "echo ready", "while :; do sleep 60; done"),
        ("(sleep 60 | sleep 60) & echo ready; wait",),
        ("echo ready", "sh -c 'sleep 60; echo never'"),
    ],
)
def test_a_stop_ends_the_whole_tree(open_session: OpenSession, commands: tuple[str, ...]) -> None:
    ended, text, took = stopped(open_session(), *commands)
    assert ended == Exit(code=None, message="canceled")
    assert "never" not in text.splitlines()
    assert took < 20


def test_the_session_can_be_used_after_a_stop(open_session: OpenSession) -> None:
    session = open_session()
    stopped(session, "echo kept > kept", "echo ready", "sleep 60")
    assert output(session, "cat kept") == "kept\n"


def test_nothing_runs_once_a_stop_is_requested(open_session: OpenSession) -> None:
    session = open_session()
    stop = Stop()
    stop.request("canceled")
    assert run(session, "touch ran", stop=stop) == (Exit(code=None, message="canceled"), "")
    assert run(session, "test ! -e ran")[0].code == 0


def test_a_sink_that_fails_ends_the_job(open_session: OpenSession) -> None:
    def sink(data: bytes) -> None:
        raise OSError(28, "No space left on device", str(len(data)))

    session = open_session()
    start = time.monotonic()
    with pytest.raises(OSError, match="No space left"):
        session.run(script_text(["echo a", "sleep 60"]), sink, Stop())
    assert time.monotonic() - start < 20


def keep(session: Session, into: Path, selection: Selection) -> tuple[str, ...]:
    tree = StoredTree(into, Objects(into.parent / "objects"))
    unmatched = session.collect(selection, tree)
    tree.finish()
    return unmatched


def collected(
    session: Session, into: Path, selection: Selection
) -> tuple[dict[str, str], tuple[str, ...]]:
    unmatched = keep(session, into, selection)
    found = {
        path.relative_to(into).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_text()
        )
        for path in into.rglob("*")
        if path.is_symlink() or path.is_file()
    }
    return found, unmatched


def test_artifacts_are_collected(open_session: OpenSession, tmp_path: Path) -> None:
    session = open_session()
    output(
        session,
        "mkdir -p out/deep",
        "echo a > out/a; echo b > out/deep/b; echo log > out/x.log",
        "ln -s ../src out/link; ln -s /etc/passwd out/far",
    )
    selection = Selection(
        paths=("out", "src/*.c", "missing/*", "../outside"), exclude=("**/*.log",)
    )
    found, unmatched = collected(session, tmp_path / "into", selection)
    assert found == {
        "out/a": "a\n",
        "out/deep/b": "b\n",
        "out/link": "-> ../src",
        "out/far": "-> /etc/passwd",
        "src/main.c": "int main;\n",
    }
    assert unmatched == ("missing/*", "../outside")


def test_modes_of_artifacts_are_kept(open_session: OpenSession, tmp_path: Path) -> None:
    session = open_session()
    output(session, "echo x > run; chmod 755 run; echo y > plain; chmod 644 plain")
    keep(session, tmp_path / "into", Selection(paths=("run", "plain")))
    (tmp_path / "laid").mkdir()
    lay_over(str(tmp_path / "into"), str(tmp_path / "laid"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "laid").iterdir()}
    assert modes == {"run": 0o755, "plain": 0o644}


def test_a_cache_comes_back_as_it_was_under_the_artifacts(
    open_session: OpenSession, tmp_path: Path
) -> None:
    first = open_session(job="first")
    output(
        first,
        "mkdir -p dep/bin dep/empty; cd dep",
        "echo '#!/bin/sh\necho tool' > bin/tool; chmod 755 bin/tool",
        "ln -s bin/tool link; ln -s /nowhere far; TZ=UTC touch -t 200102030405.06 old",
        "echo cached > both",
    )
    tree, artifacts = tmp_path / "cached", tmp_path / "artifacts"
    keep(first, tree, Selection(paths=("dep/",)))
    (artifacts / "dep").mkdir(parents=True)
    (artifacts / "dep/both").write_text("artifact\n")
    second = open_session(tree, artifacts, job="second")
    listed = "bin\nboth\nempty\nfar\nlink\nold\n"
    assert output(second, "cd dep; ls; test -d empty; test ! -x old") == listed
    assert output(second, "cd dep; ./link; readlink far; cat both; stat -c %Y old") == (
        "tool\n/nowhere\nartifact\n981173106\n"
    )


def test_an_absolute_pattern_in_the_project(open_session: OpenSession, tmp_path: Path) -> None:
    session = open_session()
    selection = Selection(paths=(f"{session.project_dir}/src/*",))
    assert collected(session, tmp_path / "into", selection) == ({"src/main.c": "int main;\n"}, ())


def test_the_users_tree_is_left_alone(open_session: OpenSession, tree: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tree.rglob("*")}
    output(open_session(), "echo changed > src/main.c; rm tool link; touch new; chmod -R 777 .")
    assert {path: path.stat().st_mtime_ns for path in tree.rglob("*")} == before
    assert (tree / "src/main.c").read_text() == "int main;\n"


def test_sessions_are_apart_and_run_at_once(open_session: OpenSession) -> None:
    sessions = [open_session(job=f"job {number}") for number in range(3)]
    results: dict[int, str] = {}
    barrier = threading.Barrier(len(sessions))

    def work(number: int) -> None:
        barrier.wait()
        results[number] = output(sessions[number], f"echo {number} > mine; sleep 0.1; cat mine")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: "0\n", 1: "1\n", 2: "2\n"}


def test_closing_twice_is_fine(open_session: OpenSession, place: Place) -> None:
    session = open_session()
    output(session, "mkdir locked; touch locked/file; chmod 500 locked")
    session.close()
    session.close()
    place.executor.close()
    place.executor.close()
