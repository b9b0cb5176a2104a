"""Pull policies, with the outcomes of GitLab Runner's docker executor."""

import threading

import pytest

from homeport.engine.api import EngineError, ImageInfo
from homeport.engine.fake import FakeEngine
from homeport.pipeline.execute.api import ExecutorError
from homeport.pipeline.execute.container_image import Images


def info(identity: str, platform: str = "linux/amd64") -> ImageInfo:
    return ImageInfo(id=identity, entrypoint=(), command=(), user="", env={}, platform=platform)


LOCAL, REMOTE = info("local"), info("remote")


@pytest.mark.parametrize(
    ("policies", "local", "remote", "expected", "pulls"),
    [
        (("if-not-present",), LOCAL, REMOTE, "local", 0),
        (("if-not-present",), None, REMOTE, "remote", 1),
        (("always",), LOCAL, REMOTE, "remote", 1),
        (("always",), None, REMOTE, "remote", 1),
        (("never",), LOCAL, REMOTE, "local", 0),
        (("always", "if-not-present"), LOCAL, None, "local", 1),
        (("never", "always"), None, REMOTE, "remote", 1),
    ],
)
def test_policies(
    policies: tuple[str, ...],
    local: ImageInfo | None,
    remote: ImageInfo | None,
    expected: str,
    pulls: int,
) -> None:
    engine = FakeEngine(
        images={"x:latest": local} if local else {}, remote={"x:latest": remote} if remote else {}
    )
    assert Images(engine).ensure("x", None, policies, lambda _: None).id == expected
    assert engine.calls["pull"] == pulls


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (("never",), r'failed to pull image "x" .*\[never\]: No such image: x'),
        (("always",), r"\[always\]: manifest for x not found"),
        (("always", "if-not-present"), r"\[always if-not-present\]: manifest for x not found"),
        ((), "no pull policy is given"),
    ],
)
def test_no_policy_helps(policies: tuple[str, ...], words: str) -> None:
    with pytest.raises(ExecutorError, match=words):
        Images(FakeEngine()).ensure("x", None, policies, lambda _: None)


def test_the_user_is_told() -> None:
    engine = FakeEngine(images={"x:latest": LOCAL})
    told: list[str] = []
    Images(engine).ensure("x", None, ("always", "if-not-present"), told.append)
    assert told == [
        "Pulling docker image x",
        'Failed to pull image with policy "always": manifest for x not found',
        'Attempt #2: Trying "if-not-present" pull policy',
        'Using locally found image version due to "if-not-present" pull policy',
        "Using docker image local for x",
    ]


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (None, "local"),
        ("linux/amd64", "local"),
        ("amd64", "local"),
        ("linux/arm64", "remote"),
    ],
)
def test_an_image_for_another_platform_is_not_there(platform: str | None, expected: str) -> None:
    engine = FakeEngine(
        images={"x:latest": LOCAL}, remote={"x:latest": info("remote", "linux/arm64")}
    )
    found = Images(engine).ensure("x", platform, ("if-not-present",), lambda _: None)
    assert found.id == expected


def test_an_image_named_by_its_id_is_not_pulled() -> None:
    engine = FakeEngine(images={"sha256:ab": info("sha256:ab")})
    assert Images(engine).ensure("sha256:ab", None, ("always",), lambda _: None).id == "sha256:ab"
    assert engine.calls["pull"] == 0


def test_jobs_that_start_together_pull_once() -> None:
    engine = FakeEngine(remote={"x:latest": REMOTE})
    images = Images(engine)
    barrier = threading.Barrier(4)

    def ensure() -> None:
        barrier.wait()
        images.ensure("x", None, ("always",), lambda _: None)

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.calls["pull"] == 1


@pytest.mark.parametrize(
    ("local", "remote", "lists", "expected", "pulls"),
    [
        (LOCAL, REMOTE, (("never",), ("always",)), ["local", "remote"], 1),
        (
            LOCAL,
            REMOTE,
            (("if-not-present",), ("always",), ("always",)),
            ["local"] + ["remote"] * 2,
            1,
        ),
        (LOCAL, REMOTE, (("always",), ("never",)), ["remote", "remote"], 1),
        (LOCAL, REMOTE, (("if-not-present",), ("never", "always")), ["local", "local"], 0),
        (None, REMOTE, (("never",), ("always",), ("never",)), [None, "remote", "remote"], 1),
        (LOCAL, None, (("never",), ("always",)), ["local", None], 1),
        (LOCAL, None, (("always", "never"), ("always", "never")), ["local", "local"], 1),
    ],
)
def test_each_job_has_its_own_policies(
    local: ImageInfo | None,
    remote: ImageInfo | None,
    lists: tuple[tuple[str, ...], ...],
    expected: list[str | None],
    pulls: int,
) -> None:
    engine = FakeEngine(
        images={"x:latest": local} if local else {}, remote={"x:latest": remote} if remote else {}
    )
    images, found = Images(engine), []
    for policies in lists:
        try:
            found.append(images.ensure("x", None, policies, lambda _: None).id)
        except ExecutorError:
            found.append(None)
    assert found == expected
    assert engine.calls["pull"] == pulls


def test_a_pull_that_leaves_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    monkeypatch.setattr(engine, "pull", lambda *_: None)
    with pytest.raises(ExecutorError, match="No such image after its pull: x"):
        Images(engine).ensure("x", None, ("always",), lambda _: None)


def test_a_dead_engine_is_an_error() -> None:
    engine = FakeEngine()
    engine.die("gone")
    with pytest.raises(ExecutorError, match="gone") as caught:
        Images(engine).ensure("x", None, ("always", "never"), lambda _: None)
    assert not isinstance(caught.value, EngineError)
